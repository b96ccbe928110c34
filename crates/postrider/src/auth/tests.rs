use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: u64 = 1_614_265_330_000;
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn signer(keys: &[(&str, Option<u64>)]) -> Signer {
    let mut signer = Signer::default();
    for (text, retires_ms) in keys {
        signer.add(Key::parse(text).expect("a key"), *retires_ms);
    }
    signer
}

fn sign(signer: &Signer) -> Option<String> {
    signer.sign(ID, NOW / 1000, [BODY].into_iter(), NOW)
}

/// The example that the specification and its libraries share.
#[test]
fn the_published_example_has_the_published_signature() {
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(sign(&signer(&[(SECRET, None)])).as_deref(), Some(expected));
}

/// RFC 8032 §7.1, test 2: the seed's public key.
#[test]
fn an_ed25519_key_has_the_public_key_of_the_rfc() {
    let hex = |text: &str| -> Vec<u8> {
        let bytes = text.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        bytes.map(|pair| byte(pair).unwrap()).collect()
    };
    let text = |prefix: &str, bytes: &[u8]| {
        use base64::Engine as _;
        format!("{prefix}{}", key::BASE64.encode(bytes))
    };
    let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let key = Key::parse(&text("whsk_", &seed)).expect("a seed");
    assert_eq!(key.public_key(), Some(text("whpk_", &public)));
    let both = [seed.clone(), public.clone()].concat();
    let key = Key::parse(&text("whsk_", &both)).expect("seed and public key");
    assert_eq!(key.public_key(), Some(text("whpk_", &public)));
    let swapped = [public, seed].concat();
    assert_eq!(
        Key::parse(&text("whsk_", &swapped)).unwrap_err(),
        KeyError::Mismatch
    );
}

#[test]
fn a_body_in_pieces_has_the_signatures_of_the_whole() {
    let private = Key::generate(KeyKind::Ed25519).expect("a key");
    let signer = signer(&[(SECRET, None), (&private, None)]);
    let whole = sign(&signer);
    for at in 0..=BODY.len() {
        let pieces = [&BODY[..at], &BODY[at..]];
        assert_eq!(signer.sign(ID, NOW / 1000, pieces.into_iter(), NOW), whole);
    }
}

#[test]
fn every_key_in_force_signs_and_a_retired_one_does_not() {
    let private = Key::generate(KeyKind::Ed25519).expect("a key");
    let public = Key::parse(&private).unwrap().public_key().unwrap();
    let next = Key::generate(KeyKind::HmacSha256).expect("a key");
    let both = signer(&[(SECRET, Some(NOW + 1)), (&private, None), (&next, None)]);
    let signatures = sign(&both).expect("signatures");
    let versions: Vec<_> = signatures
        .split(' ')
        .map(|s| &s[..s.find(',').unwrap()])
        .collect();
    assert_eq!(versions, ["v1", "v1a", "v1"]);
    let check = |text: &str, signatures: &str| {
        let verifier = Verifier::parse(text).expect("a key");
        verifier.verify(ID, &(NOW / 1000).to_string(), signatures, BODY, NOW)
    };
    for text in [SECRET, &public, &next] {
        assert_eq!(check(text, &signatures), Ok(()), "{text}");
    }
    let later = both
        .sign(ID, NOW / 1000, [BODY].into_iter(), NOW + 1)
        .expect("two left");
    assert_eq!(check(SECRET, &later), Err(VerifyError::Signature));
    assert_eq!(check(&next, &later), Ok(()));
    assert_eq!(sign(&signer(&[(SECRET, Some(NOW))])), None);
}

#[test]
fn what_was_changed_does_not_verify() {
    let verifier = Verifier::parse(SECRET).expect("a key");
    let (time, signatures) = (
        (NOW / 1000).to_string(),
        sign(&signer(&[(SECRET, None)])).unwrap(),
    );
    let verify = |id: &str, time: &str, signatures: &str, body: &[u8], now: u64| {
        verifier.verify(id, time, signatures, body, now)
    };
    assert_eq!(verify(ID, &time, &signatures, BODY, NOW), Ok(()));
    assert_eq!(
        verify("msg", &time, &signatures, BODY, NOW),
        Err(VerifyError::Signature)
    );
    assert_eq!(
        verify(ID, &time, &signatures, b"{}", NOW),
        Err(VerifyError::Signature)
    );
    let other = (NOW / 1000 + 1).to_string();
    assert_eq!(
        verify(ID, &other, &signatures, BODY, NOW),
        Err(VerifyError::Signature)
    );
    let late = NOW + 301_000;
    assert_eq!(
        verify(ID, &time, &signatures, BODY, late),
        Err(VerifyError::Timestamp(301))
    );
    assert_eq!(
        verify(ID, "soon", &signatures, BODY, NOW),
        Err(VerifyError::Header(TIMESTAMP))
    );
    assert_eq!(
        verify(ID, &time, "", BODY, NOW),
        Err(VerifyError::Header(SIGNATURE))
    );
    assert_eq!(
        verify("", &time, &signatures, BODY, NOW),
        Err(VerifyError::Header(super::ID))
    );
}

#[test]
fn a_text_that_is_no_key_is_refused_without_being_shown() {
    let short = "whsec_c2hvcnQ=";
    for (text, error) in [
        (
            "hush",
            "must begin with whsec_ (HMAC-SHA256) or whsk_ (ed25519)",
        ),
        ("whsec_hush!", "must be base64 behind its prefix"),
        (short, "must hold 24 to 64 bytes, not 5"),
        ("whsk_c2hvcnQ=", "must hold 32 or 64 bytes, not 5"),
    ] {
        assert_eq!(Key::parse(text).unwrap_err().to_string(), error);
    }
    let public = "must begin with whsec_ (HMAC-SHA256) or whpk_ (ed25519)";
    let private = Key::generate(KeyKind::Ed25519).unwrap();
    assert_eq!(Verifier::parse(&private).unwrap_err().to_string(), public);
    assert_eq!(format!("{:?}", Key::parse(SECRET)), "Ok(Key(hmac-sha256))");
}

#[test]
fn keys_that_are_made_are_new_and_can_be_read() {
    for kind in [KeyKind::HmacSha256, KeyKind::Ed25519] {
        let (one, other) = (Key::generate(kind).unwrap(), Key::generate(kind).unwrap());
        assert_ne!(one, other);
        assert_ne!(Key::id(&one), Key::id(&other));
        assert_eq!(Key::parse(&one).unwrap().kind(), kind);
        assert_eq!(KeyKind::by_name(kind.name()), Some(kind));
    }
}
