//! A request on its way out: its head and the slices of its body, and how far it has got.

use std::io::IoSlice;

use super::Body;

/// Most slices that one `sendmsg` takes (Linux's `IOV_MAX`).
const IOV_MAX: usize = 1024;

/// The bytes of a request that are still to be sent. Can be rewound, until they are let go of.
#[derive(Debug)]
pub(super) struct Outgoing {
    head: Vec<u8>,
    body: Body,
    /// The part that is next: 0 is the head, then the slices.
    part: usize,
    /// How much of that part is sent.
    at: usize,
}

impl Outgoing {
    pub(super) fn new(head: Vec<u8>, body: Body) -> Self {
        Outgoing {
            head,
            body,
            part: 0,
            at: 0,
        }
    }

    /// What is left, as one call can take it. Empty: all is sent.
    pub(super) fn parts(&self) -> Vec<IoSlice<'_>> {
        let left = (self.body.slices().len() + 1 - self.part).min(IOV_MAX);
        let mut parts = Vec::with_capacity(left);
        for i in self.part..self.part + left {
            let bytes = self.part(i);
            let from = if i == self.part { self.at } else { 0 };
            parts.push(IoSlice::new(&bytes[from..]));
        }
        parts
    }

    /// Notes that `n` more bytes are sent.
    pub(super) fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let left = self.part(self.part).len() - self.at;
            if n < left {
                self.at += n;
                return;
            }
            n -= left;
            (self.part, self.at) = (self.part + 1, 0);
        }
    }

    /// Whether all is sent.
    pub(super) fn is_done(&self) -> bool {
        self.part > self.body.slices().len()
    }

    /// Starts again from the first byte.
    pub(super) fn rewind(&mut self) {
        (self.part, self.at) = (0, 0);
    }

    /// Lets go of what is sent: it will not be sent again.
    pub(super) fn let_go(&mut self) {
        debug_assert!(self.is_done());
        (self.head, self.body) = (Vec::new(), Body::new());
        (self.part, self.at) = (1, 0);
    }

    fn part(&self, i: usize) -> &[u8] {
        if i == 0 {
            &self.head
        } else {
            self.body.slices()[i - 1].as_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Slice;

    fn outgoing(slices: usize) -> (Outgoing, Vec<u8>) {
        let mut body = Body::new();
        let mut all = b"head".to_vec();
        for i in 0..slices {
            let bytes = i.to_string().into_bytes();
            all.extend_from_slice(&bytes);
            body.push(Slice::owned(bytes));
        }
        (Outgoing::new(b"head".to_vec(), body), all)
    }

    /// Sends `step` bytes at a time and gives what went out.
    fn send(out: &mut Outgoing, step: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while !out.is_done() {
            let parts = out.parts();
            assert!(parts.len() <= IOV_MAX && !parts.is_empty());
            let bytes: Vec<u8> = parts
                .iter()
                .flat_map(|p| p.iter().copied())
                .take(step)
                .collect();
            out.advance(bytes.len());
            sent.extend(bytes);
        }
        assert!(out.parts().is_empty());
        sent
    }

    #[test]
    fn every_byte_goes_out_once_whatever_the_kernel_takes() {
        for slices in [0, 1, 2, 1023, 1024, 3000] {
            for step in [1, 2, 3, 7, 1000, usize::MAX] {
                let (mut out, all) = outgoing(slices);
                assert_eq!(
                    send(&mut out, step),
                    all,
                    "{slices} slices, {step} at a time"
                );
            }
        }
    }

    #[test]
    fn a_rewound_request_goes_out_again_from_its_start() {
        let (mut out, all) = outgoing(10);
        out.advance(7);
        out.rewind();
        assert_eq!(send(&mut out, 4), all);
    }

    #[test]
    fn what_is_let_go_of_is_done() {
        let (mut out, _) = outgoing(3);
        send(&mut out, 100);
        out.let_go();
        assert!(out.is_done() && out.parts().is_empty());
    }
}
