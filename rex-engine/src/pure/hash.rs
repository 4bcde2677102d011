//! Hashes of texts and blobs, in lower-case hexadecimal.

use rhai::Blob;

use crate::engine::hex_sha256;

functions! { "hash";
    /// The SHA-256 of a text.
    sha256(text: &str) -> "text" = |text: &str| Ok(hex_sha256(text.as_bytes()));
    /// The SHA-256 of a blob.
    sha256(bytes: Blob) -> "text" = |bytes: Blob| Ok(hex_sha256(&bytes));
    /// The BLAKE3 of a text.
    blake3(text: &str) -> "text" = |text: &str| Ok(blake3(text.as_bytes()));
    /// The BLAKE3 of a blob.
    blake3(bytes: Blob) -> "text" = |bytes: Blob| Ok(blake3(&bytes));
}

fn blake3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn known_hashes() {
        check("hash::sha256(\"abc\")", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check("hash::sha256(blob())", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check("hash::blake3(\"\")", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        check("hash::blake3(blob()) == hash::blake3(\"\")", "true");
    }
}
