//! The bucket when all is well.

use crate::block_on;
use crate::rig::{Scratch, moto::Moto};
use crate::store::laws;

#[test]
fn a_bucket_is_a_store() {
    let moto = Moto::shared();
    moto.make_bucket("laws-store");
    block_on(async {
        let one = moto.aws().bucket("laws-store", "lofi");
        let other = moto.aws().bucket("laws-store", "lofi");
        laws::store(&one, &other).await;
        // A channel beside it is none of its business, and the other way round.
        let beside = moto.aws().bucket("laws-store", "lofi2");
        laws::store(&beside, &beside.clone()).await;
    });
}

#[test]
fn a_bucket_is_a_place_for_files() {
    let moto = Moto::shared();
    moto.make_bucket("laws-objects");
    let scratch = Scratch::new("laws-objects");
    block_on(async {
        laws::objects(&moto.aws().bucket("laws-objects", "lofi"), scratch.path()).await;
        // A channel that has the bucket for itself sees the other as a folder; it starts empty.
        moto.make_bucket("laws-objects-2");
        laws::objects(&moto.aws().bucket("laws-objects-2", ""), scratch.path()).await;
    });
}
