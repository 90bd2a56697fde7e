//! The fuzz target `scanout` by plain means: its corpus again, and random bytes. With coverage: `cargo +nightly fuzz run scanout` beside this folder.

mod scanout;

use proptest::prelude::*;
use std::path::Path;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/scanout");
    let mut cases = 0;
    for entry in std::fs::read_dir(&corpus).expect("there is a corpus") {
        let path = entry.expect("the folder can be read").path();
        println!("{}", path.display());
        scanout::run(&std::fs::read(&path).expect("a case can be read"));
        cases += 1;
    }
    assert!(cases >= 100, "{cases} cases in {}", corpus.display());
}

proptest! {
    // `PROPTEST_CASES` in the environment changes how many.
    #[test]
    fn random_bytes_hold(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        scanout::run(&data);
    }
}
