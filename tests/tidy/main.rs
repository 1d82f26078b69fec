//! The house as a test: who may use whom, which words are barred where, how long files and functions may be, and what
//! the dependencies are.
//!
//! Each rule takes sources and gives back faults, so that it can be shown here to find one. What breaks a limit of
//! length already stands in `ratchet.txt` and may only shrink.

mod dependencies;
mod layers;
mod sizes;
mod source;
mod words;

use std::path::Path;

use source::{Source, Tree};

fn tree() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn expect_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_layer_uses_only_those_below_it() {
    expect_none(&layers::faults(&tree().sources));
}

#[test]
fn barred_words_stay_out() {
    expect_none(&words::faults(&tree().sources));
}

#[test]
fn unsafe_code_is_forbidden_by_the_crate() {
    let tree = tree();
    let library = tree.sources.iter().find(|source| source.path == "src/lib.rs").unwrap();
    assert!(library.code.iter().any(|line| line.trim() == "#![forbid(unsafe_code)]"));
}

#[test]
fn nothing_is_left_to_be_done() {
    expect_none(&words::unfinished(&tree().texts));
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    expect_none(&words::machine_paths(&tree().texts));
}

#[test]
fn modules_are_named_after_their_subject() {
    expect_none(&words::module_names(&tree().sources));
}

#[test]
fn what_cannot_fail_says_why() {
    expect_none(&words::unproven(&tree().sources));
}

#[test]
fn files_and_functions_keep_their_sizes() {
    let ratchet = include_str!("ratchet.txt");
    expect_none(&sizes::faults(&tree().sources, ratchet));
}

#[test]
fn dependencies_are_as_they_may_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = dependencies::packages(root);
    assert!(packages.len() > 100, "{} crates", packages.len());
    expect_none(&dependencies::faults(&packages, &dependencies::Rules::read(root)));
}

#[test]
fn the_tree_is_seen_at_all() {
    let tree = tree();
    assert!(tree.sources.len() > 100, "{} sources", tree.sources.len());
    assert!(tree.texts.iter().any(|text| text.path == "README.md"));
    assert!(tree.sources.iter().any(|source| source.is_test));
}

/// A source that ships, for the proofs that rules find what they look for.
fn made_up(path: &str, text: &str) -> Source {
    Source::parse(path, text)
}
