//! Files that are compressed as a whole: gzip and Zstandard as a plain stream of bytes.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

use crate::format::Compression;
use crate::object::Source;

/// Bytes read at once from what lies below.
const BUFFER: usize = 256 << 10;

/// The bytes of `source` without their compression. Seeking in compressed bytes is reading: forwards what lies between,
/// backwards from the beginning.
///
/// # Errors
/// A decoder cannot be made.
pub(crate) fn unpacked(source: Box<dyn Source>, compression: Compression) -> io::Result<Box<dyn Source>> {
    Ok(match compression {
        Compression::None => source,
        Compression::Gzip | Compression::Zstd => Box::new(Unpacked {
            decoder: decoder(source, compression)?,
            compression,
            position: 0,
        }),
    })
}

struct Unpacked {
    decoder: Decoder,
    compression: Compression,
    /// Unpacked bytes before the next one.
    position: u64,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<BufReader<Box<dyn Source>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Box<dyn Source>>>),
    /// While a decoder is exchanged, and after that failed.
    Gone,
}

fn decoder(source: Box<dyn Source>, compression: Compression) -> io::Result<Decoder> {
    let source = BufReader::with_capacity(BUFFER, source);
    Ok(match compression {
        Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
        Compression::Zstd => Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(source)?),
        Compression::None => Decoder::Gone,
    })
}

impl Unpacked {
    fn rewind_to_start(&mut self) -> io::Result<()> {
        let below = match std::mem::replace(&mut self.decoder, Decoder::Gone) {
            Decoder::Gzip(decoder) => decoder.into_inner(),
            Decoder::Zstd(decoder) => decoder.finish(),
            Decoder::Gone => return Err(io::Error::other("reading failed before")),
        };
        let mut source = below.into_inner();
        source.rewind()?;
        self.decoder = decoder(source, self.compression)?;
        self.position = 0;
        Ok(())
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(buffer)?,
            Decoder::Zstd(decoder) => decoder.read(buffer)?,
            Decoder::Gone => return Err(io::Error::other("reading failed before")),
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Unpacked {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            // The end is known once it was reached.
            SeekFrom::End(by) => {
                io::copy(self, &mut io::sink())?;
                self.position.checked_add_signed(by)
            }
        };
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        if target < self.position {
            self.rewind_to_start()?;
        }
        let between = target - self.position;
        io::copy(&mut self.by_ref().take(between), &mut io::sink())?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn seeking_in_compressed_bytes_is_reading() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let packed = [
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Zstd, zstd::encode_all(text.as_slice(), 1).unwrap()),
        ];
        for (compression, bytes) in packed {
            let mut source = unpacked(Box::new(Cursor::new(bytes)), compression).unwrap();
            for at in [400_000 - 4, 4, 8, 200_000, 0] {
                assert_eq!(source.seek(SeekFrom::Start(at)).unwrap(), at);
                let mut word = [0; 4];
                source.read_exact(&mut word).unwrap();
                assert_eq!(u64::from(u32::from_le_bytes(word)) * 4, at);
            }
            assert_eq!(source.seek(SeekFrom::End(0)).unwrap(), 400_000);
        }
    }
}
