//! Stands in until the log has its watermarks.
use crate::log::Log;
use crate::queue::Watermark;
pub(crate) trait Marks {
    fn written(&self) -> &Watermark;
    fn synced(&self) -> &Watermark;
}
impl Marks for Log {
    fn written(&self) -> &Watermark {
        todo!()
    }
    fn synced(&self) -> &Watermark {
        todo!()
    }
}
