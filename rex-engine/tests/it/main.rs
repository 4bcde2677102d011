//! Scripts: what they can do, what they cannot, and what stops them.

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod heeded;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod meant;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod random;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod worlds;
