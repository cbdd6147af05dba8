//! Tokens that name their row: base64url(row id ‖ extra ‖ HMAC-SHA256(row id ‖ extra)).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

pub(super) fn issue<const N: usize>(key: &hmac::Key, id: Uuid, extra: &[u8; N]) -> String {
    let mut bytes = Vec::with_capacity(ID_BYTES + N + MAC_BYTES);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(extra);
    let mac = hmac::sign(key, &bytes);
    bytes.extend_from_slice(mac.as_ref());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` unless [`issue`] made the token with the same key.
pub(super) fn read<const N: usize>(key: &hmac::Key, token: &str) -> Option<(Uuid, [u8; N])> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    if bytes.len() != ID_BYTES + N + MAC_BYTES {
        return None;
    }
    let (signed, mac) = bytes.split_at(ID_BYTES + N);
    hmac::verify(key, signed, mac).ok()?;
    let (id, extra) = signed.split_at(ID_BYTES);
    Some((Uuid::from_slice(id).ok()?, extra.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_changed_token_is_refused(id: u128, extra: [u8; 4], at: usize, with in 1_u8..) {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
            let token = issue(&key, Uuid::from_u128(id), &extra);
            prop_assert_eq!(read(&key, &token), Some((Uuid::from_u128(id), extra)));

            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= with;
            let forged = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(read::<4>(&key, &forged), None);

            let other_key = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
            prop_assert_eq!(read::<4>(&other_key, &token), None);
        }
    }
}
