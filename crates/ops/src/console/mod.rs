//! The console: one page, everything inside it, nothing fetched from elsewhere.

use std::sync::LazyLock;

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("index.html")
        .replace("/*CSS*/", include_str!("console.css"))
        .replace("/*JS*/", concat!(include_str!("text.js"), include_str!("console.js")))
});

/// The page, complete.
pub fn page() -> String {
    PAGE.clone()
}
