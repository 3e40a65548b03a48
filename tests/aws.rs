//! Amazon's services over the wire: against moto's server what they do when all is well, and against
//! a server with a script what moto cannot show.

#[path = "aws/account.rs"]
mod account;
#[path = "aws/bucket.rs"]
mod bucket;
#[path = "aws/check.rs"]
mod check;
#[path = "aws/faults.rs"]
mod faults;
#[path = "aws/kept.rs"]
mod kept;
#[path = "aws/library.rs"]
mod library;
#[path = "aws/policy.rs"]
mod policy;
mod rig;
#[path = "aws/rotation.rs"]
mod rotation;
#[path = "aws/secrets.rs"]
mod secrets;
#[path = "aws/told.rs"]
mod told;

/// The laws of stores, as the product's own tests of its folder and its fake have them.
#[path = "../src/store"]
mod store {
    pub mod laws;
    pub use nonstop::store::*;
}

/// The runtime that the daemon has.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(work)
}
