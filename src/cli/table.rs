//! Tables for people.

use serde_json::Value;

/// Rows under headings: texts to the left, numbers to the right.
pub fn render(headings: &[&str], rows: &[Vec<Value>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |column: usize| {
        let longest = cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        longest.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let right = |column: usize| {
        let mut values = rows
            .iter()
            .filter_map(|row| row.get(column))
            .filter(|value| !value.is_null());
        !rows.is_empty() && values.all(Value::is_number)
    };
    let right: Vec<bool> = (0..headings.len()).map(right).collect();
    let mut text = String::new();
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(&headings).chain(&cells) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            if column > 0 {
                line.push_str("  ");
            }
            match right[column] {
                true => line.push_str(&format!("{cell:>width$}")),
                false => line.push_str(&format!("{cell:<width$}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A value in a cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Number(number) if number.is_f64() => format!("{:.1}", number.as_f64().unwrap_or_default()),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let texts: Vec<_> = values.iter().filter_map(Value::as_str).map(plain).collect();
            texts.join(",")
        }
        Value::Object(object) if object.is_empty() => String::new(),
        other => plain(&other.to_string()),
    }
}

/// Text that does nothing to a terminal: control characters are escaped.
pub fn plain(text: &str) -> String {
    let escape = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stand_right_and_texts_left() {
        let rows = [vec![json!("a"), json!(5)], vec![json!("longer"), json!(1234)]];
        assert_eq!(
            render(&["name", "messages"], &rows),
            "name    messages\na              5\nlonger      1234\n"
        );
        assert_eq!(render(&["name"], &[]), "name\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(cell(&json!({"a": "\u{7}"})), "{\"a\":\"\\u0007\"}");
    }
}
