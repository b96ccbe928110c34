//! A reply without addresses.

/// The reply with each mail address, with its angle brackets, as `[internal]` and each IP address as `a.b.c.d`.
pub(crate) fn mask(reply: &str) -> String {
    let mut out = String::with_capacity(reply.len());
    let mut rest = reply;
    while let Some(first) = rest.chars().next() {
        let word = word_len(rest);
        if word == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (text, behind) = rest.split_at(word);
        put(&mut out, text);
        rest = behind;
    }
    out
}

/// Bytes of the run of characters that an address can consist of.
fn word_len(text: &str) -> usize {
    let inside = |c: char| !c.is_whitespace() && !"()[],;\"'".contains(c);
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

fn put(out: &mut String, word: &str) {
    // What stands around an address in a sentence, or in a pair of angle brackets.
    let end = word.trim_end_matches(['.', ':', '!', '?']).len();
    let (core, tail) = word.split_at(end);
    let start = core
        .rfind(['<', '=', ':'])
        .filter(|_| core.contains('@'))
        .map_or(0, |at| match core.as_bytes()[at] {
            b'<' => at,
            _ => at + 1,
        });
    let (head, core) = core.split_at(start);
    let is_mail = core.split_once('@').is_some_and(|(local, domain)| {
        !local.trim_start_matches('<').is_empty()
            && domain.starts_with(|c: char| c.is_alphanumeric())
    });
    if is_mail {
        // Behind a closing bracket the sentence goes on: `<alice@example.com>...`.
        let after = core.find('>').map_or("", |at| &core[at + 1..]);
        out.push_str(head);
        out.push_str("[internal]");
        out.push_str(after);
    } else {
        mask_ip(out, word.split_at(end).0);
    }
    out.push_str(tail);
}

/// A word, and the IP addresses that it is or ends with (`ip=192.0.2.1`).
fn mask_ip(out: &mut String, word: &str) {
    let address = |text: &str| text.parse::<std::net::IpAddr>().is_ok() && text != "::";
    if address(word) {
        out.push_str("a.b.c.d");
        return;
    }
    match word
        .rfind(['=', '/', '?', '&', '-', '<'])
        .map(|at| word.split_at(at + 1))
    {
        Some((head, ip)) if address(ip) => {
            out.push_str(head);
            out.push_str("a.b.c.d");
        }
        _ => out.push_str(word),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn addresses_are_masked_and_nothing_else() {
        for (reply, masked) in [
            (
                "550 5.1.1 <alice@example.com> no such user",
                "550 5.1.1 [internal] no such user",
            ),
            (
                "550 5.1.1 <alice@example.com>: Recipient rejected",
                "550 5.1.1 [internal]: Recipient rejected",
            ),
            (
                "550 <alice@example.com>... User unknown",
                "550 [internal]... User unknown",
            ),
            (
                "Recipient alice@example.com not found.",
                "Recipient [internal] not found.",
            ),
            (
                "account (alice@example.com) [0]",
                "account ([internal]) [0]",
            ),
            ("user=alice@example.com", "user=[internal]"),
            (
                "Client host [192.0.2.5] blocked",
                "Client host [a.b.c.d] blocked",
            ),
            (
                "https://example.org/q?ip=192.0.2.5",
                "https://example.org/q?ip=a.b.c.d",
            ),
            ("from 2001:db8::7, sorry", "from a.b.c.d, sorry"),
            (
                "552 5.3.4 size 1.2.3 see https://a.example/x",
                "552 5.3.4 size 1.2.3 see https://a.example/x",
            ),
            ("@ alone, a@ and @b, 10:30", "@ alone, a@ and @b, 10:30"),
            ("", ""),
        ] {
            assert_eq!(mask(reply), masked);
        }
    }
}
