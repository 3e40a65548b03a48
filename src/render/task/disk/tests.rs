use super::*;

#[test]
fn unfinished_work_goes_without_holding_up_the_runtimes_thread() {
    let scratch = tempfile::tempdir().unwrap();
    let work = Work::new(scratch.path()).unwrap();
    let path = work.path.clone();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The disk hangs: whoever waits for it does so where it may block.
        let (disk_is_back, hung) = std::sync::mpsc::channel::<()>();
        let hanging = tokio::task::spawn_blocking(move || hung.recv());
        drop(work);
        assert!(path.exists());
        drop(disk_is_back);
        assert!(hanging.await.unwrap().is_err());
        // What is asked of the one thread is done in order.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(!path.exists());
    });
    let work = Work::new(scratch.path()).unwrap();
    let path = work.path.clone();
    drop(work);
    assert!(!path.exists(), "without a runtime it goes at once");
}
