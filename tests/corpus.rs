//! Replays the corpus of the fuzz targets.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::PathBuf;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

#[test]
fn every_input_holds() {
    for (name, target) in targets::ALL {
        let folder = corpus().join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}

#[test]
fn every_input_holds_cut_and_changed() {
    for (name, target) in targets::ALL {
        for entry in std::fs::read_dir(corpus().join(name)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            // About 60 of each, whatever its length.
            let stride = bytes.len() / 20 + 1;
            for at in (0..bytes.len()).step_by(stride) {
                target(&bytes[..at]);
                for change in [0x01, 0x80] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    target(&changed);
                }
            }
        }
    }
}

#[test]
fn every_folder_has_its_target() {
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(targets::ALL.iter().any(|(target, _)| *target == name), "{name}");
    }
}
