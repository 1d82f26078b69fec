//! The web pages at `/`: plain files in `src/http/pages`, which are part of the program.
//!
//! They need no build step: ES modules, one style sheet a subject, and uPlot with its licence in `vendor`. What they
//! show they ask of `/api` with the session of whoever signed in. Nothing but our own files is loaded and no script
//! stands in a page, which `Content-Security-Policy` has browsers enforce.

use std::fmt::Write;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

/// The files. A debug build reads them when they are asked for, so that who works on a page need not build.
#[derive(RustEmbed)]
#[folder = "src/http/pages"]
struct Files;

/// Our own files and nothing else; no script or style in a page, no frame around it, no form that leads elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What stands in every answer, of the API too.
pub(super) const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(POLICY),
    ),
    (
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    ),
    (
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The paths.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let index = async |headers: HeaderMap| file("index.html", &headers);
    let other = async |Path(path): Path<String>, headers: HeaderMap| file(&path, &headers);
    Router::new().route("/", get(index)).route("/pages/{*path}", get(other))
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some((kind, file)) = content_type(path).zip(Files::get(path)) else {
        return ApiError::no_object().into_response();
    };
    let etag = etag(&file);
    let asked = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let known = asked.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    // Kept by browsers, and asked for again by its tag: another version of the broker has other pages.
    let caching = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, etag)];
    match known {
        true => (StatusCode::NOT_MODIFIED, caching).into_response(),
        false => (caching, [(CONTENT_TYPE, kind)], file.data).into_response(),
    }
}

fn etag(file: &EmbeddedFile) -> String {
    let mut tag = "\"".to_owned();
    for byte in &file.metadata.sha256_hash()[..16] {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Files of other kinds are not served.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ways by which text could become markup or code.
    const BARRED: &[&str] = &[
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
        "setHTML",
        "srcdoc",
        "eval(",
        "new Function",
        "javascript:",
    ];

    fn own_files() -> Vec<(String, String)> {
        let names = Files::iter().filter(|name| !name.starts_with("vendor/"));
        let files = names.map(|name| {
            let data = Files::get(&name).expect("it is listed").data;
            (name.to_string(), String::from_utf8(data.into_owned()).expect("text"))
        });
        files.collect()
    }

    #[test]
    fn no_page_makes_markup_of_text() {
        let files = own_files();
        assert!(files.iter().any(|(name, _)| name == "dom.js"), "{files:?}");
        for (name, text) in &files {
            for word in BARRED {
                assert!(!text.contains(word), "src/http/pages/{name}: `{word}` is barred");
            }
        }
    }

    #[test]
    fn no_page_has_a_script_or_style_in_it() {
        for (name, text) in own_files().iter().filter(|(name, _)| name.ends_with(".html")) {
            let lower = text.to_lowercase();
            assert!(!lower.contains("<style"), "{name}: a style belongs into a file");
            assert!(!lower.contains(" style="), "{name}: a style belongs into a file");
            assert!(!lower.contains(" on"), "{name}: handlers belong into a file");
            for (at, _) in lower.match_indices("<script") {
                let tag = &lower[at..lower[at..].find("</script>").map_or(lower.len(), |end| at + end)];
                assert!(tag.contains(" src=\"/pages/") && tag.ends_with('>'), "{name}: {tag}");
            }
        }
    }

    #[test]
    fn every_module_and_style_that_is_named_is_there() {
        let files = own_files();
        for (name, text) in &files {
            for quote in ['"', '\''] {
                let named = text.split(quote).filter(|part| part.starts_with("/pages/"));
                for path in named {
                    let path = path.trim_start_matches("/pages/");
                    assert!(Files::get(path).is_some(), "{name} names {path}");
                    assert!(content_type(path).is_some(), "{path} is not served");
                }
            }
        }
    }

    #[test]
    fn a_library_has_its_licence_beside_it() {
        let libraries: std::collections::BTreeSet<_> = Files::iter()
            .filter_map(|name| Some(name.strip_prefix("vendor/")?.split_once('/')?.0.to_owned()))
            .collect();
        assert!(libraries.contains("uplot"), "{libraries:?}");
        for library in libraries {
            assert!(
                Files::get(&format!("vendor/{library}/LICENSE.txt")).is_some(),
                "{library}"
            );
        }
    }

    #[test]
    fn a_file_is_sent_once_and_confirmed_by_its_tag_then() {
        let first = file("index.html", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(file("index.html", &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(file("dom.js", &headers).status(), StatusCode::OK);
        for path in ["nothing.js", "../pages.rs", "dom", ""] {
            assert_eq!(file(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
