//! The head of an answer: status, headers.

/// HTTP version of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunks, closed unless it says keep-alive.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A final answer's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP version.
    pub version: Version,
    /// Status, 200 ..= 999.
    pub status: u16,
    /// Headers in the order they came.
    pub headers: Headers,
}

/// Headers of an answer: names in lower case, values with bytes that are not UTF-8 replaced.
///
/// One buffer and one index, however many headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// End of name and end of value of each header; it starts where the one before ends.
    ends: Vec<(u32, u32)>,
}

impl Headers {
    /// The first value of a header; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// All headers, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = &self.text[start..name_end as usize];
            let value = &self.text[name_end as usize..value_end as usize];
            start = value_end as usize;
            (name, value)
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a header, its name made lower case.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.text
            .extend(name.chars().map(|c| c.to_ascii_lowercase()));
        let name_end = self.text.len() as u32;
        self.text.push_str(&String::from_utf8_lossy(value));
        self.ends.push((name_end, self.text.len() as u32));
    }
}
