//! Lists: filtered, sorted, cut into pages and columns, as `page`, `page_size`, `name`, `use_regex`, `sort`,
//! `sort_reverse` and `columns` say (RabbitMQ: "HTTP API", pagination).
//!
//! A view of an item may cost a lock of a queue, so views are made for the page only, unless the sort asks for what
//! only a view knows; and each is written out before the next is made.

use std::cmp::Ordering;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::broker::SampleRange;
use crate::model::Millis;

use super::error::ApiError;
use super::statistics::Ranges;

/// Items on a page where the request does not say, and at most.
const PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 500;

/// Samples that may be asked for of one value, as in RabbitMQ.
const MAX_SAMPLES: i64 = 500;

/// Samples in one whole list; each comes a dozen times, for a dozen values, with some 50 bytes. Pages need none of this:
/// 500 items of 500 samples are less.
const MAX_LISTED_SAMPLES: usize = 250_000;

/// The query of a list, or of one object where only the columns count.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ListQuery {
    page: Option<String>,
    page_size: Option<String>,
    name: Option<String>,
    use_regex: Option<String>,
    sort: Option<String>,
    sort_reverse: Option<String>,
    columns: Option<String>,
    lengths_age: Option<String>,
    lengths_incr: Option<String>,
    msg_rates_age: Option<String>,
    msg_rates_incr: Option<String>,
    data_rates_age: Option<String>,
    data_rates_incr: Option<String>,
    node_stats_age: Option<String>,
    node_stats_incr: Option<String>,
}

/// Something that stands in a list.
pub trait Listed {
    /// Its name, which filters look at.
    fn name(&self) -> &str;

    /// Its vhost, where it has one.
    fn vhost(&self) -> &str {
        ""
    }
}

struct Page {
    number: usize,
    size: usize,
}

impl ListQuery {
    /// The page that is asked for; `None` for the whole list.
    fn page(&self) -> Result<Option<Page>, ApiError> {
        let Some(page) = &self.page else {
            return Ok(None);
        };
        let size = self.page_size.as_deref();
        let parsed = match (page.parse(), size.map_or(Ok(PAGE_SIZE), str::parse)) {
            (Ok(number), Ok(size)) => Page { number, size },
            _ => {
                return Err(ApiError::bad_request("Pagination parameters are invalid"));
            }
        };
        if parsed.number == 0 || !(1..=MAX_PAGE_SIZE).contains(&parsed.size) {
            return Err(ApiError::invalid(
                "invalid_pagination_parameters",
                format!(
                    "Invalid pagination parameters: page number {}, page size {}",
                    parsed.number, parsed.size
                ),
            ));
        }
        Ok(Some(parsed))
    }

    /// The samples that are asked for. An age or a step that is no whole number asks for none, as in RabbitMQ.
    ///
    /// # Errors
    /// One of them is 0 or less, or there would be more than [`MAX_SAMPLES`].
    pub fn ranges(&self, now: Millis) -> Result<Ranges, ApiError> {
        Ok(Ranges {
            lengths: range(&self.lengths_age, &self.lengths_incr, now)?,
            msg_rates: range(&self.msg_rates_age, &self.msg_rates_incr, now)?,
            data_rates: range(&self.data_rates_age, &self.data_rates_incr, now)?,
            node_stats: range(&self.node_stats_age, &self.node_stats_incr, now)?,
        })
    }

    fn sort_columns(&self) -> Vec<&str> {
        let sort = self.sort.as_deref().unwrap_or_default();
        sort.split(',').filter(|column| !column.is_empty()).collect()
    }

    fn is_reversed(&self) -> bool {
        self.sort_reverse.as_deref() == Some("true")
    }

    /// Keeps the items whose name the filter takes.
    fn filter<T: Listed>(&self, items: &mut Vec<T>) -> Result<(), ApiError> {
        let Some(name) = self.name.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        if self.use_regex.as_deref() == Some("true") {
            let pattern = RegexBuilder::new(name)
                .case_insensitive(true)
                .build()
                .map_err(|error| ApiError::bad_request(format!("name is no regular expression: {error}")))?;
            items.retain(|item| pattern.is_match(item.name()));
        } else {
            let name = name.to_lowercase();
            items.retain(|item| item.name().to_lowercase().contains(&name));
        }
        Ok(())
    }
}

fn range(age: &Option<String>, step: &Option<String>, now: Millis) -> Result<Option<SampleRange>, ApiError> {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
    let (Some(age), Some(step)) = (number(age), number(step)) else {
        return Ok(None);
    };
    if age <= 0 || step <= 0 || age / step > MAX_SAMPLES {
        return Err(ApiError::invalid(
            "invalid_range_parameters",
            format!("Invalid range parameters: age {age}, incr {step}"),
        ));
    }
    let [age_ms, step_ms] = [age, step].map(|seconds| seconds.unsigned_abs().saturating_mul(1000));
    let last = now - now % step_ms;
    // As many steps as fit into the age, so that the newest moment is among them.
    let first = last.saturating_sub(age_ms / step_ms * step_ms);
    Ok(Some(SampleRange { first, last, step_ms }))
}

/// Answers a list. `items` come in the order in which they stand without a sort.
///
/// # Errors
/// The page is no page, or out of range; the filter is no regular expression.
pub fn list<T: Listed, V: Serialize>(
    query: &ListQuery,
    items: Vec<T>,
    view: impl Fn(&T) -> V,
) -> Result<Response, ApiError> {
    list_sampled(query, &Ranges::default(), items, |item, _| view(item))
}

/// Answers a list whose views have samples. What is sorted by has none.
///
/// # Errors
/// The same, or there would be more than [`MAX_LISTED_SAMPLES`].
pub fn list_sampled<T: Listed, V: Serialize>(
    query: &ListQuery,
    ranges: &Ranges,
    mut items: Vec<T>,
    view: impl Fn(&T, &Ranges) -> V,
) -> Result<Response, ApiError> {
    let page = query.page()?;
    let total = items.len();
    if page.is_some() {
        query.filter(&mut items)?;
    }
    let mut items = sorted(query, items, |item| view(item, &Ranges::default()));
    if query.is_reversed() {
        items.reverse();
    }
    let columns = query.columns.as_deref().map(Columns::parse);
    let mut out = Vec::new();
    let view = |item: &T| view(item, ranges);
    let Some(page) = page else {
        check_samples(ranges, items.len())?;
        write_views(&mut out, &items, view, columns.as_ref())?;
        return Ok(json(out));
    };
    let filtered = items.len();
    let first = (page.number - 1).saturating_mul(page.size);
    if first > filtered {
        return Err(ApiError::invalid(
            "page_out_of_range",
            format!(
                "Page out of range, page: {} page size: {}, len: {filtered}",
                page.number, page.size
            ),
        ));
    }
    let shown = &items[first..filtered.min(first + page.size)];
    let head = format!(
        "{{\"filtered_count\":{filtered},\"item_count\":{},\"page\":{},\"page_count\":{},\"page_size\":{},\
         \"total_count\":{total},\"items\":",
        shown.len(),
        page.number,
        filtered.div_ceil(page.size),
        page.size
    );
    out.extend_from_slice(head.as_bytes());
    write_views(&mut out, shown, view, columns.as_ref())?;
    out.push(b'}');
    Ok(json(out))
}

/// Answers one object, cut to the columns that are asked for.
pub fn object(query: &ListQuery, view: impl Serialize) -> Result<Response, ApiError> {
    let mut out = Vec::new();
    let columns = query.columns.as_deref().map(Columns::parse);
    write_view(&mut out, &view, columns.as_ref())?;
    Ok(json(out))
}

fn check_samples(ranges: &Ranges, items: usize) -> Result<(), ApiError> {
    let samples = ranges.moments().saturating_mul(items);
    match samples <= MAX_LISTED_SAMPLES {
        true => Ok(()),
        false => Err(ApiError::invalid(
            "invalid_range_parameters",
            format!(
                "{samples} samples are more than one answer may have ({MAX_LISTED_SAMPLES}): ask for a page, or for fewer"
            ),
        )),
    }
}

fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn write_views<T, V: Serialize>(
    out: &mut Vec<u8>,
    items: &[T],
    view: impl Fn(&T) -> V,
    columns: Option<&Columns>,
) -> Result<(), ApiError> {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_view(out, &view(item), columns)?;
    }
    out.push(b']');
    Ok(())
}

fn write_view(out: &mut Vec<u8>, view: &impl Serialize, columns: Option<&Columns>) -> Result<(), ApiError> {
    let written = match columns {
        None => serde_json::to_writer(out, view),
        Some(columns) => serde_json::to_value(view).and_then(|value| serde_json::to_writer(out, &columns.cut(value))),
    };
    written.map_err(ApiError::internal)
}

fn sorted<T: Listed, V: Serialize>(query: &ListQuery, items: Vec<T>, view: impl Fn(&T) -> V) -> Vec<T> {
    let columns = query.sort_columns();
    if columns.is_empty() {
        return items;
    }
    let plain = columns.iter().all(|column| matches!(*column, "name" | "vhost"));
    let mut keyed: Vec<(Vec<SortKey>, T)> = items
        .into_iter()
        .map(|item| {
            let key = if plain {
                let text = |column: &&str| match *column {
                    "name" => SortKey::Text(item.name().to_owned()),
                    _ => SortKey::Text(item.vhost().to_owned()),
                };
                columns.iter().map(text).collect()
            } else {
                // A view that cannot be written cannot be sorted; it fails when it is its turn to be shown.
                let value = serde_json::to_value(view(&item)).unwrap_or_default();
                columns.iter().map(|column| SortKey::of(&value, column)).collect()
            };
            (key, item)
        })
        .collect();
    // Stable, so that the order without a sort decides between equals.
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// What is sorted by. Nothing comes first, as 0; then numbers, then flags, then texts, as in RabbitMQ.
#[derive(Debug, PartialEq)]
enum SortKey {
    Number(f64),
    Flag(bool),
    Text(String),
}

impl SortKey {
    fn of(value: &Value, column: &str) -> Self {
        let found = column.split('.').try_fold(value, |value, part| value.get(part));
        match found {
            Some(Value::Number(number)) => Self::Number(number.as_f64().unwrap_or_default()),
            Some(Value::Bool(flag)) => Self::Flag(*flag),
            Some(Value::String(text)) => Self::Text(text.clone()),
            _ => Self::Number(0.0),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Flag(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// The columns that are asked for: names with dots between those of inner objects.
#[derive(Debug, Default, PartialEq)]
struct Columns(Vec<(String, Columns)>);

impl Columns {
    fn parse(text: &str) -> Self {
        let mut columns = Self::default();
        for column in text.split(',').filter(|column| !column.is_empty()) {
            columns.add(column.split('.'));
        }
        columns
    }

    fn add<'a>(&mut self, mut path: impl Iterator<Item = &'a str>) {
        let Some(first) = path.next() else {
            // A column that is asked for as a whole hides those asked for inside it.
            self.0.clear();
            return;
        };
        match self.0.iter_mut().find(|(name, _)| name == first) {
            Some((_, inner)) if inner.0.is_empty() => {}
            Some((_, inner)) => inner.add(path),
            None => {
                let mut inner = Self::default();
                inner.add(path);
                self.0.push((first.to_owned(), inner));
            }
        }
    }

    /// Keeps what is asked for; nothing asked for means all.
    fn cut(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::Object(mut object) => {
                let kept = self.0.iter().filter_map(|(name, inner)| {
                    let value = object.remove(name)?;
                    Some((name.clone(), inner.cut(value)))
                });
                Value::Object(kept.collect::<Map<_, _>>())
            }
            Value::Array(values) => values.into_iter().map(|value| self.cut(value)).collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_cut_out_of_inner_objects() {
        let columns = Columns::parse("name,message_stats.publish_details.rate,missing");
        let cut = columns.cut(json!({
            "name": "q", "vhost": "/", "message_stats": {"publish": 3, "publish_details": {"rate": 0.5}}
        }));
        assert_eq!(
            cut,
            json!({"name": "q", "message_stats": {"publish_details": {"rate": 0.5}}})
        );
        let whole = Columns::parse("a,a.b");
        assert_eq!(
            whole.cut(json!({"a": {"b": 1, "c": 2}})),
            json!({"a": {"b": 1, "c": 2}})
        );
        assert_eq!(Columns::parse("").cut(json!({"a": 1})), json!({"a": 1}));
    }

    #[test]
    fn nothing_sorts_before_numbers_and_numbers_before_texts() {
        let value = json!({"a": {"n": 2}, "t": "x", "f": true});
        let key = |column| SortKey::of(&value, column);
        assert!(key("missing") < key("a.n"));
        assert!(key("a.n") < key("f"));
        assert!(key("f") < key("t"));
    }
}
