//! The same laws against a real account: `make test-aws`, never run by itself.

use crate::rig::Scratch;
use crate::store::laws;
use crate::{block_on, rig};
use nonstop::aws::Aws;
use nonstop::store::{Objects, Store};

#[test]
#[ignore = "needs an AWS account: make test-aws NONSTOP_TEST_BUCKET=…"]
fn a_bucket_of_a_real_account_holds_the_laws() {
    let name = std::env::var("NONSTOP_TEST_BUCKET").expect("NONSTOP_TEST_BUCKET names a bucket to test in");
    let scratch = Scratch::new("account");
    block_on(async {
        let aws = Aws::new();
        let prefix = format!("nonstop-test-{}", rig::unix_now() as u64);
        let store = aws.bucket(&name, &format!("{prefix}/store"));
        let files = aws.bucket(&name, &format!("{prefix}/files"));
        laws::store(&store, &aws.bucket(&name, &format!("{prefix}/store"))).await;
        laws::objects(&files, scratch.path()).await;
        for bucket in [store, files] {
            for object in bucket.objects("").await.unwrap() {
                bucket.remove(&object.key).await.unwrap();
            }
        }
    });
}
