//! Tokens that say which row they belong to and prove that we made them:
//! base64url(row id ‖ facts ‖ HMAC-SHA256(row id ‖ facts)).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

const ID_BYTES: usize = 16;
const MAC_BYTES: usize = 32;

pub(super) fn issue<const N: usize>(key: &hmac::Key, id: Uuid, facts: &[u8; N]) -> String {
    let mut bytes = Vec::with_capacity(ID_BYTES + N + MAC_BYTES);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(facts);
    let mac = hmac::sign(key, &bytes);
    bytes.extend_from_slice(mac.as_ref());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The row and facts of a token made by [`issue`] with the same key; `None` for any other text.
pub(super) fn read<const N: usize>(key: &hmac::Key, token: &str) -> Option<(Uuid, [u8; N])> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    if bytes.len() != ID_BYTES + N + MAC_BYTES {
        return None;
    }
    let (said, mac) = bytes.split_at(ID_BYTES + N);
    hmac::verify(key, said, mac).ok()?;
    let (id, facts) = said.split_at(ID_BYTES);
    Some((Uuid::from_slice(id).ok()?, facts.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_changed_token_is_not_ours(id: u128, facts: [u8; 4], at: usize, with in 1_u8..) {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
            let token = issue(&key, Uuid::from_u128(id), &facts);
            prop_assert_eq!(read(&key, &token), Some((Uuid::from_u128(id), facts)));

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
