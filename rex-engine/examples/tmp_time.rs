//! x
#![allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs)]
use std::sync::Arc; use std::time::Instant;
use rex_core::*; use rex_engine::*; use rex_sdk::MemOs;
#[global_allocator] static A: CountingAllocator = CountingAllocator;
struct All; impl Authorize for All { fn decide(&self, _: &Request<'_>) -> Decision { Decision::allow(&["x"]) } }
fn main(){
  for _ in 0..3 { let t=Instant::now(); let e=Engine::builder(Arc::new(MemOs::example()), Arc::new(All)).build().unwrap(); println!("build {:?}", t.elapsed());
  for _ in 0..3 { let t=Instant::now(); let r=e.run("1", Input::new(Principal::agent("x"))); println!("run {:?} {:?}", t.elapsed(), r.stats); }
  let t=Instant::now(); for _ in 0..1000 { let _=e.run("1", Input::new(Principal::agent("x"))); } println!("warm {:?}", t.elapsed()/1000);
  let t=Instant::now(); let r=e.run("for i in 0..10000 { read(\"/etc/hosts\"); }", Input::new(Principal::agent("x"))); println!("read {:?} {:?}", t.elapsed()/10000, r.outcome);
  let t=Instant::now(); let r=e.run("for i in 0..1000000 { i+1; }", Input::new(Principal::agent("x"))); println!("loop {:?} {:?}", t.elapsed()/1000000, r.outcome);
  }
}
