//! (to be written)
/// stub
pub struct CoreMetadata;
