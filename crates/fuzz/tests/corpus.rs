//! Everything that a fuzzer found worth keeping, once more: needs no fuzzer and no nightly compiler.

use std::{collections::BTreeSet, fs, path::PathBuf};

use penstock_fuzz::TARGETS;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

#[test]
fn every_input_passes() {
    for (name, target) in TARGETS {
        let mut inputs: Vec<_> =
            fs::read_dir(corpus().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            println!("{}", input.display());
            target(&fs::read(input).unwrap());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    let folders: BTreeSet<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, names);
    for (name, _) in TARGETS {
        assert!(corpus().join("../fuzz_targets").join(format!("{name}.rs")).exists(), "{name} is not fuzzed");
    }
}
