//! Tests of policies that are refused, of decisions, and of the index against Cedar.

#[cfg(test)]
mod agree;
#[cfg(test)]
mod annotations;
#[cfg(test)]
mod contradictions;
mod coverage;
#[cfg(test)]
mod decide;
#[cfg(test)]
mod decided;
#[cfg(test)]
mod differs;
#[cfg(test)]
mod entities;
#[cfg(test)]
mod example;
#[cfg(test)]
mod hints;
mod hours;
#[cfg(test)]
mod impossible;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod learn;
#[cfg(test)]
mod lints;
#[cfg(test)]
mod mutants;
mod never;
mod newcomer;
#[cfg(test)]
mod others;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod reject;
#[cfg(test)]
mod remedy;
#[cfg(test)]
mod risks;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod support;
