//! The files of the repository, and Rust code without its comments and literals.

use std::fs;
use std::path::Path;

/// What is built or installed or made by git, not written.
const NOT_WRITTEN: &[&str] = &["target", "node_modules", ".cache", ".git", "__pycache__", "warren-data"];

/// A file as it stands.
pub struct Text {
    /// Relative to the repository, with `/`.
    pub path: String,
    pub content: String,
}

/// A Rust file.
pub struct Source {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// Each line without comments, contents of literals and test items.
    pub code: Vec<String>,
    /// Whether a comment that is no documentation stands on the line.
    pub comment: Vec<bool>,
    /// Lines outside test items.
    pub length: usize,
    /// Modules that the file declares for tests only.
    test_modules: Vec<String>,
    /// The file is compiled for tests only.
    pub is_test: bool,
}

/// All that is written in the repository.
pub struct Tree {
    pub texts: Vec<Text>,
    /// Those under `src/`.
    pub sources: Vec<Source>,
}

impl Tree {
    /// Reads every file below `root` that is text.
    pub fn read(root: &Path) -> Self {
        let mut texts = Vec::new();
        walk(root, "", &mut texts);
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        let rust = texts
            .iter()
            .filter(|text| text.path.starts_with("src/") && text.path.ends_with(".rs"));
        let mut sources: Vec<_> = rust.map(|text| Source::parse(&text.path, &text.content)).collect();
        mark_tests(&mut sources);
        Self { texts, sources }
    }
}

fn walk(folder: &Path, prefix: &str, texts: &mut Vec<Text>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_WRITTEN.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), texts);
        } else if let Ok(content) = fs::read_to_string(entry.path()) {
            texts.push(Text { path, content });
        }
    }
}

/// Marks the files of modules that are declared under `#[cfg(test)]`, and of all modules below those.
fn mark_tests(sources: &mut [Source]) {
    let mut prefixes = Vec::new();
    for source in &*sources {
        let folder = module_folder(&source.path);
        for module in &source.test_modules {
            prefixes.push(format!("{folder}{module}"));
        }
    }
    for source in sources {
        let module = source.path.trim_end_matches(".rs");
        let below = |prefix: &String| module == prefix || module.starts_with(&format!("{prefix}/"));
        source.is_test = prefixes.iter().any(below);
    }
}

/// Where the modules lie that the file at `path` declares.
fn module_folder(path: &str) -> String {
    for root in ["mod.rs", "lib.rs", "main.rs"] {
        if let Some(folder) = path.strip_suffix(root) {
            return folder.to_owned();
        }
    }
    format!("{}/", path.trim_end_matches(".rs"))
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Self {
        let (blank, comment) = blank(text);
        let mut code: Vec<String> = blank.lines().map(str::to_owned).collect();
        let (test_modules, test_lines) = take_tests(&mut code);
        Self {
            path: path.to_owned(),
            length: code.len() - test_lines,
            code,
            comment,
            test_modules,
            is_test: false,
        }
    }

    /// The folder or file under `src/` that holds it: its layer.
    pub fn layer(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Path and number of the line at `index`.
    pub fn at(&self, index: usize) -> String {
        format!("{}:{}", self.path, index + 1)
    }
}

/// Empties every item under `#[cfg(test)]`; gives the modules declared so and the number of lines emptied.
fn take_tests(code: &mut [String]) -> (Vec<String>, usize) {
    let mut modules = Vec::new();
    let mut taken = 0;
    let mut index = 0;
    while index < code.len() {
        if code[index].trim() != "#[cfg(test)]" {
            index += 1;
            continue;
        }
        let end = end_of_item(code, index);
        let item = code[index..=end].join(" ");
        if item.trim_end().ends_with(';')
            && let Some((_, name)) = item.split_once("mod ")
        {
            modules.push(name.trim_end_matches([' ', ';']).to_owned());
        }
        for line in &mut code[index..=end] {
            line.clear();
        }
        taken += end + 1 - index;
        index = end + 1;
    }
    (modules, taken)
}

/// The line on which the item ends that begins after the attribute on `start`.
fn end_of_item(code: &[String], start: usize) -> usize {
    let mut depth = 0;
    for (index, line) in code.iter().enumerate().skip(start + 1) {
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(character, '}' | ';') {
                return index;
            }
        }
    }
    code.len() - 1
}

/// Rust without comments and contents of literals, line for line, and which lines have a comment that is no
/// documentation.
fn blank(text: &str) -> (String, Vec<bool>) {
    let mut scanner = Scanner {
        rest: text.chars().collect(),
        at: 0,
        out: String::with_capacity(text.len()),
        comment: vec![false; text.lines().count() + 1],
        line: 0,
    };
    scanner.run();
    (scanner.out, scanner.comment)
}

struct Scanner {
    rest: Vec<char>,
    at: usize,
    out: String,
    comment: Vec<bool>,
    line: usize,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\n')
    }

    /// Goes over a character, which stays if `keep`; line breaks stay always.
    fn step(&mut self, keep: bool) {
        let character = self.peek(0);
        if character == '\n' {
            self.line += 1;
        }
        if keep || character == '\n' {
            self.out.push(character);
        }
        self.at += 1;
    }

    fn run(&mut self) {
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '/') => self.line_comment(),
                ('/', '*') => self.block_comment(),
                ('"', _) => self.string(),
                ('r', '"' | '#') if !self.in_word() => self.raw_string(),
                ('\'', _) => self.quote(),
                _ => self.step(true),
            }
        }
    }

    fn in_word(&self) -> bool {
        let before = self.out.chars().next_back();
        // `b` before a raw string of bytes is no word.
        before.is_some_and(|c| c.is_alphanumeric() && c != 'b' || c == '_')
    }

    fn line_comment(&mut self) {
        let documentation = matches!(self.peek(2), '/' | '!');
        self.comment[self.line] |= !documentation;
        while self.peek(0) != '\n' {
            self.step(false);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            self.comment[self.line] = true;
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.step(false);
                    continue;
                }
            }
            self.step(false);
            self.step(false);
            if depth == 0 || self.at >= self.rest.len() {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.step(true);
        while self.at < self.rest.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                self.step(false);
            }
            self.step(false);
        }
        self.step(true);
    }

    fn raw_string(&mut self) {
        let mut hashes = 0;
        while self.peek(1 + hashes) == '#' {
            hashes += 1;
        }
        if self.peek(1 + hashes) != '"' {
            // A raw name, such as r#type.
            self.step(true);
            return;
        }
        (0..hashes + 2).for_each(|_| self.step(false));
        let closes = |s: &Self| s.peek(0) == '"' && (1..=hashes).all(|n| s.peek(n) == '#');
        while self.at < self.rest.len() && !closes(self) {
            self.step(false);
        }
        (0..=hashes).for_each(|_| self.step(false));
        self.out.push_str("\"\"");
    }

    /// A character literal, or a lifetime.
    fn quote(&mut self) {
        self.step(true);
        if self.peek(0) == '\\' {
            self.step(false);
            self.step(false);
            while self.peek(0) != '\'' {
                self.step(false);
            }
        } else if self.peek(1) == '\'' {
            self.step(false);
        } else {
            return;
        }
        self.step(true);
    }
}

#[test]
fn comments_and_literals_are_blanked() {
    let (code, comment) = blank(concat!(
        "let a = \"tokio // no {\"; // why\n",
        "/// let doc = unsafe;\n",
        "let b = ['{', '\\'', b'\\x7d']; fn c<'a>() {}\n",
        "let d = r#\"\"tokio\" {\"#; /* one\n",
        "two */ let e = r\"}\\\"; let r#type = 1;\n",
    ));
    assert_eq!(
        code,
        "let a = \"\"; \n\nlet b = ['', '', b'']; fn c<'a>() {}\nlet d = \"\"; \n let e = \"\"; let r#type = 1;\n"
    );
    assert_eq!(comment[..5], [true, false, false, true, true]);
}

#[test]
fn test_items_are_taken_out() {
    let source = Source::parse(
        "src/queue/ready.rs",
        "fn ships() {}\n#[cfg(test)]\nmod proofs;\n#[cfg(test)]\nfn only() {\n    \"}\";\n}\nfn too() {}\n",
    );
    let left: Vec<_> = source.code.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(left, ["fn ships() {}", "fn too() {}"]);
    assert_eq!(source.length, 2);
    assert_eq!(source.layer(), "queue");
    let mut sources = vec![source, Source::parse("src/queue/ready/proofs/more.rs", "")];
    mark_tests(&mut sources);
    assert_eq!([sources[0].is_test, sources[1].is_test], [false, true]);
}
