//! One record of an event file: TensorFlow's `Event` message in a TFRecord frame.
//!
//! The few fields we need are encoded by hand, because the crates that could do it add `protoc` or an old `image` crate
//! to the build. Formats: `tensorflow/core/util/event.proto`, `framework/summary.proto`, `tsl/lib/io/record_writer.h`.

use std::io::{self, Write};

/// The wire types of protobuf.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// A protobuf `Event`.
#[derive(Debug)]
pub(super) struct Event {
    /// The encoded fields before the summary.
    head: Vec<u8>,
    /// The encoded `Summary`, empty if the event has none.
    summary: Vec<u8>,
}

impl Event {
    /// The event that opens every file.
    pub(super) fn file_version(wall_time: f64) -> Self {
        let mut event = Self::new(wall_time, 0);
        bytes(&mut event.head, 3, b"brain.Event:2");
        event
    }

    /// The event that makes TensorBoard drop everything from `step` on that was written before: a `SessionLog` with the status `START`.
    pub(super) fn session_start(wall_time: f64, step: u64) -> Self {
        let mut event = Self::new(wall_time, step);
        bytes(&mut event.head, 7, &[1 << 3 | VARINT, 1]);
        event
    }

    /// An event without values; `wall_time` in seconds since 1970.
    pub(super) fn new(wall_time: f64, step: u64) -> Self {
        let mut head = Vec::with_capacity(64);
        key(&mut head, 1, FIXED_64);
        head.extend(wall_time.to_le_bytes());
        key(&mut head, 2, VARINT);
        varint(&mut head, step);
        Self { head, summary: Vec::new() }
    }

    /// Adds a value to the event.
    pub(super) fn scalar(&mut self, tag: &str, number: f32) {
        let mut value = Vec::with_capacity(tag.len() + 8);
        bytes(&mut value, 1, tag.as_bytes());
        key(&mut value, 2, FIXED_32);
        value.extend(number.to_le_bytes());
        bytes(&mut self.summary, 1, &value);
    }

    /// Writes the event as one TFRecord: length, checksum of the length, data, checksum of the data.
    pub(super) fn write_record(&self, file: &mut impl Write) -> io::Result<()> {
        let mut data = self.head.clone();
        if !self.summary.is_empty() {
            bytes(&mut data, 5, &self.summary);
        }
        let length = (data.len() as u64).to_le_bytes();
        file.write_all(&length)?;
        file.write_all(&masked_crc32c(&length).to_le_bytes())?;
        file.write_all(&data)?;
        file.write_all(&masked_crc32c(&data).to_le_bytes())
    }
}

fn key(message: &mut Vec<u8>, field: u8, wire_type: u8) {
    message.push(field << 3 | wire_type);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn bytes(message: &mut Vec<u8>, field: u8, value: &[u8]) {
    key(message, field, BYTES);
    varint(message, value.len() as u64);
    message.extend(value);
}

/// TFRecord's checksum: CRC-32C, rotated and offset so that it can itself be part of checksummed data.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4.
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !data.iter().fold(!0, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// Reads an event file back, for tests.
#[cfg(test)]
pub(super) mod decode {
    use super::*;

    #[derive(Debug, PartialEq)]
    pub(in super::super) struct Scalar {
        pub(in super::super) tag: String,
        pub(in super::super) step: u64,
        pub(in super::super) value: f32,
    }

    /// All scalars of a file. Panics if a frame, a checksum or a field is wrong.
    pub(in super::super) fn scalars(mut file: &[u8]) -> Vec<Scalar> {
        let mut scalars = Vec::new();
        let mut first = true;
        while !file.is_empty() {
            let length = take(&mut file, 8);
            assert_eq!(take(&mut file, 4), masked_crc32c(length).to_le_bytes());
            let data = take(&mut file, u64::from_le_bytes(length.try_into().unwrap()) as usize);
            assert_eq!(take(&mut file, 4), masked_crc32c(data).to_le_bytes());
            let fields = fields(data);
            if first {
                assert!(fields.iter().any(|field| field.2 == b"brain.Event:2"));
                first = false;
            }
            let step = fields.iter().find(|field| field.0 == 2).map_or(0, |field| field.1);
            for summary in fields.iter().filter(|field| field.0 == 5) {
                for value in self::fields(summary.2) {
                    let value = self::fields(value.2);
                    let [(1, _, tag), (2, _, number)] = value[..] else { panic!("{value:?}") };
                    scalars.push(Scalar {
                        tag: str::from_utf8(tag).unwrap().to_owned(),
                        step,
                        value: f32::from_le_bytes(number.try_into().unwrap()),
                    });
                }
            }
        }
        scalars
    }

    fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (head, tail) = data.split_at(count);
        *data = tail;
        head
    }

    fn read_varint(data: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = take(data, 1)[0];
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    /// The fields of a message: the number, the value if it is a varint, the bytes otherwise.
    fn fields(mut data: &[u8]) -> Vec<(u8, u64, &[u8])> {
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = take(&mut data, 1)[0];
            let field = match key & 7 {
                VARINT => (key >> 3, read_varint(&mut data), &data[..0]),
                FIXED_64 => (key >> 3, 0, take(&mut data, 8)),
                FIXED_32 => (key >> 3, 0, take(&mut data, 4)),
                _ => {
                    let length = read_varint(&mut data) as usize;
                    (key >> 3, 0, take(&mut data, length))
                }
            };
            fields.push(field);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_gives_the_known_answers() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA, "RFC 3720, B.4");
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43, "RFC 3720, B.4");
    }

    #[test]
    fn an_event_has_the_bytes_of_tensorflows() {
        let mut event = Event::new(1.0, 300);
        event.scalar("a", 2.0);
        let mut file = Vec::new();
        event.write_record(&mut file).unwrap();
        let data = [
            0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, // wall_time = 1.0
            0x10, 0xAC, 0x02, // step = 300
            0x2A, 10, 0x0A, 8, 0x0A, 1, b'a', 0x15, 0, 0, 0,
            0x40, // summary { value { tag, simple_value } }
        ];
        assert_eq!(file[..8], [data.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(file[12..12 + data.len()], data);
    }
}
