//! Whether a message has the shape that its letter promises: names that end, as many values as it counts, nothing behind
//! them. The decoders of the protocol crate take a message's word for all of that.

/// Whether a whole message, with letter and length, can be decoded. Letters that are not known here are left to the
/// decoder, which refuses them.
pub(super) fn fits(frame: &[u8]) -> bool {
    let Some((header, body)) = frame.split_at_checked(5) else {
        return false;
    };
    let mut rest = Rest(body);
    let whole = match header.first() {
        Some(b'Q' | b'f') => rest.text(),
        Some(b'P') => rest.text().and_then(|()| rest.text()).and_then(|()| rest.counted(4)),
        Some(b'B') => rest.bind(),
        Some(b'D' | b'C') => rest.take(1).and_then(|_| rest.text()),
        Some(b'E') => rest.text().and_then(|()| rest.take(4)).map(drop),
        Some(b'S' | b'H' | b'X' | b'c') => Some(()),
        _ => return true,
    };
    whole.is_some() && rest.0.is_empty()
}

/// What has not been looked at yet. `None`: there is less than there should be.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes up to and with a zero.
    fn text(&mut self) -> Option<()> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        self.take(end + 1).map(drop)
    }

    fn count(&mut self) -> Option<usize> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    }

    /// A count, and as many items of one width.
    fn counted(&mut self, width: usize) -> Option<()> {
        let count = self.count()?;
        self.take(count * width).map(drop)
    }

    /// Portal and statement, formats, values with their lengths (-1 is NULL), formats.
    fn bind(&mut self) -> Option<()> {
        self.text()?;
        self.text()?;
        self.counted(2)?;
        for _ in 0..self.count()? {
            let length = i32::from_be_bytes(self.take(4)?.try_into().ok()?);
            match usize::try_from(length) {
                Ok(length) => self.take(length).map(drop)?,
                Err(_) if length == -1 => {}
                Err(_) => return None,
            }
        }
        self.counted(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(letter: u8, body: &[u8]) -> bool {
        fits(&[&[letter, 0, 0, 0, 0], body].concat())
    }

    #[test]
    fn messages_are_as_long_as_they_say() {
        assert!(message(b'Q', b"SELECT 1\0"));
        assert!(message(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"));
        assert!(message(
            b'B',
            b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0"
        ));
        assert!(message(b'D', b"Ss\0") && message(b'E', b"p\0\0\0\0\x05") && message(b'S', b""));
        for (letter, body) in [
            (b'Q', &b"SELECT 1"[..]),
            (b'Q', b"SELECT 1\0;"),
            (b'P', b"s\0SELECT $1\0\0\x02\0\0\0\x17"),
            (b'P', b"s\0SELECT $1\0"),
            (b'B', b"p\0s\0\xff\xff\0\x01\0\0\0\0"),
            (b'B', b"p\0s\0\0\0\0\x01\x7f\xff\xff\xffx\0\0"),
            (b'B', b"p\0s\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
            (b'D', b""),
            (b'E', b"p\0\0\0"),
            (b'S', b"x"),
        ] {
            assert!(!message(letter, body), "{} {body:?}", letter.escape_ascii());
        }
        assert!(!fits(b"Q\0"));
    }
}
