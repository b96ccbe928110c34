//! What opening found.

/// What opening a log found and did. Printable as one line for the logger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments there were.
    pub segments: u64,
    /// Segments that were read frame by frame because no index vouched for them (the active one always is).
    pub scanned: u64,
    /// Good frames in the scanned segments.
    pub frames: u64,
    /// Good events in the scanned segments.
    pub events: u64,
    /// Stretches between good frames that no frame checks out in.
    pub holes: u64,
    /// Frames whose header checks out and whose table does not.
    pub damaged_frames: u64,
    /// Offsets of events whose text failed its checksum; at most 1,000 are listed, all are counted.
    pub damaged_events: Vec<u64>,
    /// How many events failed their checksum.
    pub damaged: u64,
    /// Where writing resumes in the active segment when something unusable lay behind the last good
    /// frame: (segment's base offset, position in the file).
    pub cut_at: Option<(u64, u64)>,
    /// The highest position taken of each inbox file: (file id, position).
    pub inbox_positions: Vec<(u64, u64)>,
    /// The offset that the next event gets.
    pub next_offset: u64,
}
