//! How long files and functions may be. Tests are exempt.

use std::collections::BTreeMap;

use crate::source::Source;

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// What is longer than its limit and not in the ratchet, or in it with another length.
///
/// A line of the ratchet is `PATH LINES` or `PATH::FUNCTION LINES`.
pub fn faults(sources: &[Source], ratchet: &str) -> Vec<String> {
    let mut over = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        if source.length > FILE_LINES {
            over.insert(source.path.clone(), source.length);
        }
        for (name, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES {
                over.insert(format!("{}::{name}", source.path), lines);
            }
        }
    }
    let mut faults = Vec::new();
    for (name, listed) in entries(ratchet) {
        match over.remove(name) {
            None => faults.push(format!("{name}: keeps the limit now; take it out of ratchet.txt")),
            Some(lines) if lines > listed => {
                faults.push(format!("{name}: {lines} lines, and ratchet.txt allows it {listed}"));
            }
            Some(lines) if lines < listed => {
                faults.push(format!(
                    "{name}: only {lines} lines now; lower its {listed} in ratchet.txt"
                ));
            }
            Some(_) => {}
        }
    }
    for (name, lines) in over {
        let limit = if name.contains("::") {
            FUNCTION_LINES
        } else {
            FILE_LINES
        };
        faults.push(format!("{name}: {lines} lines, at most {limit}"));
    }
    faults
}

fn entries(ratchet: &str) -> impl Iterator<Item = (&str, usize)> {
    let lines = ratchet
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (name, lines) = line.rsplit_once(' ').expect("PATH LINES");
        (name, lines.parse().expect("a number of lines"))
    })
}

/// Every function with a body: its name and its lines, from `fn` to the closing brace.
fn functions(code: &[String]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (index, line) in code.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        if let Some(end) = end_of_body(code, index) {
            found.push((name.to_owned(), end + 1 - index));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    if before
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (end > 0).then(|| &after[..end])
}

/// The line of the brace that closes the body; none where there is no body.
fn end_of_body(code: &[String], start: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    for (index, line) in code.iter().enumerate().skip(start) {
        for character in line.chars() {
            match character {
                '{' => braces += 1,
                '}' => braces -= 1,
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                ';' if braces == 0 && brackets == 0 => return None,
                _ => {}
            }
            if character == '}' && braces == 0 {
                return Some(index);
            }
        }
    }
    None
}

#[test]
fn lengths_are_counted() {
    let text = "trait T {\n    fn none(&self, a: [u8; 4]);\n    fn one() {}\n}\n\
                pub fn three(a: u8) -> u8 {\n    if a > 0 { 1 } else { 2 }\n}\n";
    let code: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(functions(&code), [("one".to_owned(), 1), ("three".to_owned(), 3)]);
}

#[test]
fn the_ratchet_only_turns_one_way() {
    let long = |lines: usize| {
        let body = "    x();\n".repeat(lines - 2);
        [crate::made_up(
            "src/net/reader.rs",
            &format!("fn read() {{\n{body}}}\n"),
        )]
    };
    let listed = "# Reasons.\nsrc/net/reader.rs::read 80\n";
    let fault = |lines, ratchet| faults(&long(lines), ratchet).join("; ");
    assert_eq!(fault(70, ""), "");
    assert_eq!(fault(71, ""), "src/net/reader.rs::read: 71 lines, at most 70");
    assert_eq!(fault(80, listed), "");
    assert_eq!(
        fault(81, listed),
        "src/net/reader.rs::read: 81 lines, and ratchet.txt allows it 80"
    );
    assert_eq!(
        fault(79, listed),
        "src/net/reader.rs::read: only 79 lines now; lower its 80 in ratchet.txt"
    );
    assert_eq!(
        fault(70, listed),
        "src/net/reader.rs::read: keeps the limit now; take it out of ratchet.txt"
    );
    assert!(fault(600, "src/net/reader.rs::read 600\n").starts_with("src/net/reader.rs: 600 lines, at most 500"));
}
