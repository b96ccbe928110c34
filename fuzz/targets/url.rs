//! Targets: what is taken can't break out of its line, is still itself when read again, and is
//! nowhere that the policy refuses. Allowed targets, proxies and exceptions from them, too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider::http::{AllowTarget, NoProxy, Policy, Proxy, Target};

fuzz_target!(|text: &str| {
    let policy = Policy::default();
    if let Ok(target) = Target::parse(text, &policy) {
        let (authority, path) = (target.authority(), target.path());
        let visible = |s: &str| s.bytes().all(|b| (b'!'..=b'~').contains(&b));
        assert!(
            visible(authority) && visible(path),
            "{authority:?} {path:?}"
        );
        assert!(path.starts_with('/') && !authority.contains(['@', '/']));
        assert!(matches!(target.port(), 80 | 443));
        if let Ok(address) = target.host().parse() {
            let refused = policy.check(std::net::SocketAddr::new(address, target.port()));
            assert_eq!(refused, Ok(()));
        }
        let scheme = if target.is_https() { "https" } else { "http" };
        let again = Target::parse(&format!("{scheme}://{authority}{path}"), &policy);
        assert_eq!(again.as_ref(), Ok(&target));
    }
    if let Ok(allow) = text.parse::<AllowTarget>() {
        assert_eq!(allow.to_string().parse(), Ok(allow));
        assert!(allow.contains(allow.network, allow.port.unwrap_or(1)));
    }
    if let Ok(proxy) = text.parse::<Proxy>() {
        assert!(!proxy.authority().contains('@'));
    }
    let _ = text.parse::<NoProxy>();
});
