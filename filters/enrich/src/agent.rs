//! What a user agent says of itself, in the contract's words.
//!
//! The patterns are uap-core's, which the contract's own fields are named after. What they do not say, whether a person's
//! device or a mail provider's machine asked, is told by the words of the few that matter.

use postrider_filter::Error;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use ua_parser::{Extractor, Regexes};

/// Of a user agent no more is looked at, in bytes: whoever sends one chooses its length.
const LONGEST: usize = 512;
/// Answers that are kept: opens come from few agents, and parsing one costs many times a look-up.
const KEPT: usize = 4096;
/// What is not known.
const OTHER: &str = "Other";

/// Systems of devices that are carried about.
const MOBILE: [&str; 11] = [
    "iOS",
    "Android",
    "HarmonyOS",
    "Windows Phone",
    "Windows Mobile",
    "BlackBerry OS",
    "BlackBerry Tablet OS",
    "Symbian OS",
    "Firefox OS",
    "KaiOS",
    "Tizen",
];
/// Words of the mail providers' proxies that fetch images for a reader.
const PROXIES: [&str; 2] = ["GoogleImageProxy", "YahooMailProxy"];
/// Agents that fetch before, or without, anybody's reading: Apple Mail's privacy protection, and Gmail's prefetch.
const PREFETCHERS: [&str; 2] = [
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 \
     Edge/12.246 Mozilla/5.0",
];

/// The object `user_agent_parsed`.
#[derive(Serialize)]
struct Parsed<'a> {
    agent_family: Cow<'a, str>,
    device_brand: Cow<'a, str>,
    device_family: Cow<'a, str>,
    os_family: Cow<'a, str>,
    os_version: String,
    is_mobile: bool,
    is_proxy: bool,
    is_prefetched: bool,
}

/// What is known of user agents.
pub(crate) struct Agents {
    patterns: Extractor<'static>,
    answers: HashMap<Box<str>, Option<Box<str>>>,
}

impl Agents {
    /// Reads uap-core's `regexes.yaml`.
    pub(crate) fn read(path: &Path) -> Result<Agents, Error> {
        let wrong = |what: &dyn std::fmt::Display| {
            Error::new(format!("user_agents {}: {what}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
        let patterns: Regexes<'static> = serde_saphyr::from_str(&text).map_err(|e| wrong(&e))?;
        if patterns.user_agent_parsers.is_empty() {
            return Err(wrong(&"has no user_agent_parsers"));
        }
        Ok(Agents {
            patterns: Extractor::try_from(patterns).map_err(|e| wrong(&e))?,
            answers: HashMap::new(),
        })
    }

    /// The object for a user agent; none for one that nothing is known of.
    pub(crate) fn parse(&mut self, text: &str) -> Result<Option<&str>, Error> {
        let mut ends = (0..=text.len().min(LONGEST)).rev();
        let end = ends.find(|&at| text.is_char_boundary(at));
        let text = &text[..end.unwrap_or(0)];
        if !self.answers.contains_key(text) {
            let answer = match parsed(&self.patterns, text) {
                Some(parsed) => Some(serde_json::to_string(&parsed)?.into()),
                None => None,
            };
            if self.answers.len() >= KEPT {
                self.answers.clear();
            }
            self.answers.insert(text.into(), answer);
        }
        Ok(self.answers.get(text).and_then(Option::as_deref))
    }
}

fn parsed<'a>(patterns: &'a Extractor<'_>, text: &'a str) -> Option<Parsed<'a>> {
    let (agent, os, device) = patterns.extract(text);
    let is_prefetched = PREFETCHERS.contains(&text.trim());
    let is_proxy = is_prefetched || PROXIES.iter().any(|word| text.contains(word));
    if agent.is_none() && os.is_none() && device.is_none() && !is_proxy {
        return None;
    }
    let or_other = |text: Option<Cow<'a, str>>| match text {
        Some(text) if !text.is_empty() => text,
        _ => OTHER.into(),
    };
    let (os_family, os_version) = match os {
        Some(os) => {
            let parts = [os.major, os.minor, os.patch, os.patch_minor];
            let parts: Vec<Cow<'_, str>> = parts.into_iter().map_while(|part| part).collect();
            (Some(os.os), parts.join("."))
        }
        None => (None, String::new()),
    };
    let (device_family, device_brand) = match device {
        Some(device) => (Some(device.device), device.brand),
        None => (None, None),
    };
    let os_family = or_other(os_family);
    Some(Parsed {
        is_mobile: MOBILE.contains(&&*os_family) || text.contains("Mobile"),
        agent_family: or_other(agent.map(|agent| agent.family)),
        device_brand: or_other(device_brand),
        device_family: or_other(device_family),
        os_family,
        os_version,
        is_proxy,
        is_prefetched,
    })
}
