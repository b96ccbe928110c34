//! What a filter asked for in one call, noted and checked at once, applied later.

use super::batch::Batch;
use super::host::{FIRST_NAMED, HostSide, Key};
use super::members::{self, Member};
use crate::event::{
    Catalogue, Encoder, Entry, EventError, Field, FieldId, FieldName, MAX_TEXT, TypeId, Value,
    fields,
};
use crate::time::UnixMillis;
use postrider_filter::abi::{self, Status};
use std::ops::Range;
use std::sync::Arc;

/// The longest reason or tag, in bytes.
const MAX_REASON: usize = 64;
/// Events that a call may add, whatever its batch.
const FREE_EMITS: usize = 64;
/// Fields that say what an event is, not what is said of it.
const FIXED: [u16; 3] = [fields::TYPE.0, fields::EVENT_ID.0, fields::TIMESTAMP.0];

/// What is to become of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    Pass,
    Drop(Box<str>),
    /// It failed, and why.
    Fail(Box<str>),
}

/// A change of one field; of several, the last counts.
#[derive(Debug)]
struct Edit {
    field: u32,
    key: Key,
    /// `,"name":value`, and where the value begins; none: the field goes away.
    member: Option<(Box<[u8]>, usize)>,
}

impl Edit {
    fn value(&self) -> Option<&[u8]> {
        self.member.as_ref().map(|(text, at)| &text[*at..])
    }
}

/// The names of fields by their numbers, without asking the host each time.
#[derive(Debug, Default)]
struct Names(Vec<Arc<str>>);

impl Names {
    fn of(&mut self, field: u32, host: &HostSide) -> Option<&str> {
        if let Ok(id) = u16::try_from(field) {
            return Catalogue::field(FieldId(id)).map(|info| info.name);
        }
        let at = (field - FIRST_NAMED) as usize;
        while self.0.len() <= at {
            let next = FIRST_NAMED + self.0.len() as u32;
            match host.key(next)? {
                Key::Named(name) => self.0.push(name),
                Key::Known(_) => return None,
            }
        }
        self.0.get(at).map(|name| &**name)
    }
}

/// An event that the filter has asked something of.
#[derive(Debug)]
struct Work {
    /// Which of those that the filter sees.
    index: u32,
    /// Its members as far as they were looked for, and where to look on.
    members: Range<usize>,
    look: Look,
    edits: Vec<Edit>,
    subaccount: Option<u32>,
    wish: Wish,
}

#[derive(Clone, Copy, Debug)]
enum Look {
    Begin,
    At(usize),
    Done,
}

impl Work {
    fn new(index: u32) -> Work {
        Work {
            index,
            members: 0..0,
            look: Look::Begin,
            edits: Vec::new(),
            subaccount: None,
            wish: Wish::Pass,
        }
    }

    /// Looks for a member in the event's text, among those found before and then from where that ended. A text that cannot
    /// be read as far as that fails the event.
    fn find(
        &mut self,
        all: &mut Vec<Member>,
        text: &[u8],
        is: impl Fn(&Member) -> bool,
    ) -> Result<Option<Member>, Status> {
        if let Some(found) = all[self.members.clone()].iter().find(|m| is(m)) {
            return Ok(Some(*found));
        }
        let mut at = match self.look {
            Look::Done => return Ok(None),
            Look::At(at) => Some(at),
            Look::Begin => members::first(text),
        };
        // Behind those of others that were looked at meanwhile.
        if self.members.end != all.len() {
            let start = all.len();
            all.extend_from_within(self.members.clone());
            self.members = start..all.len();
        }
        while self.members.len() < members::MOST {
            let Some((member, behind)) = at.and_then(|at| members::next(text, at)) else {
                break;
            };
            all.push(member);
            self.members.end += 1;
            self.look = behind.map_or(Look::Done, Look::At);
            if is(&member) {
                return Ok(Some(member));
            }
            if behind.is_none() {
                return Ok(None);
            }
            at = behind;
        }
        self.wish = Wish::Fail("its text cannot be read".into());
        Err(abi::E_EVENT)
    }
}

/// What a filter asked for in one call.
pub(super) struct Sheet {
    pub(super) host: Arc<HostSide>,
    pub(super) views: Vec<abi::Event>,
    /// For each event its place in `works`, counted from 1; 0 where nothing was asked of it.
    asked: Vec<u32>,
    works: Vec<Work>,
    members: Vec<Member>,
    names: Names,
    /// Texts that had to be unescaped; borrowed by the filter until the call ends.
    unescaped: Vec<Box<str>>,
    emitted: Vec<(Entry, Box<[u8]>)>,
    /// An emit was refused, with this status.
    refused_emit: Option<Status>,
    encoder: Encoder,
    tags: u32,
    now_ms: UnixMillis,
}

/// What a call came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Events that changed.
    pub(super) changed: u64,
    /// Events that it dropped: the index in the batch, and why.
    pub(super) dropped: Vec<(u32, Box<str>)>,
    /// Events that failed: the index in the batch, and why.
    pub(super) failed: Vec<(u32, Box<str>)>,
    /// Events that it added.
    pub(super) emitted: u64,
}

impl Sheet {
    pub(super) fn new(host: Arc<HostSide>) -> Sheet {
        Sheet {
            tags: host.number("x_tags"),
            host,
            views: Vec::new(),
            asked: Vec::new(),
            works: Vec::new(),
            members: Vec::new(),
            names: Names::default(),
            unescaped: Vec::new(),
            emitted: Vec::new(),
            refused_emit: None,
            encoder: Encoder::new(),
            now_ms: 0,
        }
    }

    /// A clean sheet for the events `picked` from a batch, which outlives the call.
    pub(super) fn begin(&mut self, batch: &Batch, picked: &[u32], now_ms: UnixMillis) {
        self.members.clear();
        self.unescaped.clear();
        self.emitted.clear();
        self.refused_emit = None;
        self.now_ms = now_ms;
        self.views.clear();
        let view = |(entry, text): (&Entry, &[u8])| abi::Event {
            json: text.as_ptr().cast(),
            time_ms: entry.time_ms as i64,
            length: text.len() as u32,
            r#type: u32::from(entry.type_id),
            subaccount: entry.subaccount,
            reserved: [0; 3],
        };
        self.views.extend(batch.shown(picked).map(view));
        self.works.clear();
        self.asked.clear();
        self.asked.resize(picked.len(), 0);
    }

    /// Why the call failed as a whole, if a refusal made it so.
    pub(super) fn refusal(&self) -> Option<Status> {
        self.refused_emit
    }

    /// Does to the batch what the filter asked for. `picked` as in `begin`; failed events are left alone.
    pub(super) fn apply(&mut self, batch: &mut Batch, picked: &[u32]) -> Outcome {
        let mut outcome = Outcome::default();
        // In the order of the batch, not in that in which the filter asked.
        let places: Vec<usize> = self
            .asked
            .iter()
            .filter(|&&at| at > 0)
            .map(|&at| at as usize - 1)
            .collect();
        for at in places {
            let work = &mut self.works[at];
            let i = picked[work.index as usize];
            match std::mem::take(&mut work.wish) {
                Wish::Fail(why) => outcome.failed.push((i, why)),
                Wish::Drop(reason) => {
                    batch.drop_event(i as usize);
                    outcome.dropped.push((i, reason));
                }
                Wish::Pass if work.edits.is_empty() => {}
                Wish::Pass => {
                    let members = &self.members[work.members.clone()];
                    let subaccount = work
                        .subaccount
                        .unwrap_or(batch.entry(i as usize).subaccount);
                    batch.replace(i as usize, subaccount, |text, out| {
                        render(text, members, &work.edits, out);
                    });
                    outcome.changed += 1;
                }
            }
        }
        for (entry, text) in self.emitted.drain(..) {
            batch.add(entry, &text);
            outcome.emitted += 1;
        }
        outcome
    }

    // What the filter may call, event by index.

    pub(super) fn get(&mut self, index: u32, field: u32) -> Result<Option<abi::Value>, Status> {
        let at = self.work(index)?;
        let work = &mut self.works[at];
        if let Some(edit) = work.edits.iter().rev().find(|edit| edit.field == field) {
            return match edit.value() {
                Some(value) => {
                    let escaped = memchr::memchr(b'\\', value).is_some();
                    read(value, escaped, &mut self.unescaped).map(Some)
                }
                None => Ok(None),
            };
        }
        let text = text_of(&self.views[index as usize]);
        let name = self.names.of(field, &self.host).ok_or(abi::E_FIELD)?;
        let member = work.find(&mut self.members, text, |member| member.is(text, name))?;
        let value = member.map(|m| read(m.value(text), m.is_escaped(), &mut self.unescaped));
        value.transpose()
    }

    pub(super) fn set(&mut self, index: u32, field: u32, value: Value<'_>) -> Result<(), Status> {
        self.change(index, |sheet| sheet.try_set(index, field, value))
    }

    pub(super) fn remove(&mut self, index: u32, field: u32) -> Result<(), Status> {
        self.change(index, |sheet| {
            let key = sheet.changeable(field)?;
            let work = sheet.find_members(index)?;
            if field == u32::from(fields::SUBACCOUNT_ID.0) {
                work.subaccount = Some(0);
            }
            work.edits.push(Edit {
                field,
                key,
                member: None,
            });
            Ok(())
        })
    }

    pub(super) fn tag(&mut self, index: u32, tag: &[u8]) -> Result<(), Status> {
        self.change(index, |sheet| {
            let tag = short(tag)?;
            let tags = sheet.tags;
            let before = sheet.get(index, tags)?;
            let mut all: Vec<serde_json::Value> = match &before {
                // SAFETY: `get` gave it, and says by its kind that it is text.
                Some(value) if value.kind == abi::JSON => unsafe {
                    let text = value.r#as.text.cast::<u8>();
                    let text = std::slice::from_raw_parts(text, value.length as usize);
                    serde_json::from_slice(text).unwrap_or_default()
                },
                _ => Vec::new(),
            };
            if all.iter().any(|known| known == tag) {
                return Ok(());
            }
            all.push(tag.into());
            let all = serde_json::Value::from(all).to_string();
            sheet.try_set(index, tags, Value::Json(&all))
        })
    }

    pub(super) fn drop_event(&mut self, index: u32, reason: &[u8]) -> Result<(), Status> {
        self.change(index, |sheet| {
            let wish = Wish::Drop(short(reason)?.into());
            let at = sheet.work(index)?;
            let work = &mut sheet.works[at];
            if !matches!(work.wish, Wish::Fail(_)) {
                work.wish = wish;
            }
            Ok(())
        })
    }

    pub(super) fn fail(&mut self, index: u32, why: &[u8]) -> Result<(), Status> {
        let at = self.work(index)?;
        let why = String::from_utf8_lossy(&why[..why.len().min(256)]);
        self.works[at].wish = Wish::Fail(why.into());
        Ok(())
    }

    pub(super) fn emit(&mut self, ty: u32, object: &[u8]) -> Result<(), Status> {
        self.try_emit(ty, object)
            .map_err(|status| self.refuse_emit(status))
    }

    /// Fails the batch, because an event could not be added.
    pub(super) fn refuse_emit(&mut self, status: Status) -> Status {
        self.refused_emit.get_or_insert(status);
        status
    }

    fn try_emit(&mut self, ty: u32, object: &[u8]) -> Result<(), Status> {
        if self.emitted.len() >= FREE_EMITS + 2 * self.views.len() {
            return Err(abi::E_LIMIT);
        }
        let ty = TypeId(u16::try_from(ty).map_err(|_| abi::E_TYPE)?);
        let encoded = self
            .encoder
            .json(&self.host.schema, ty, object, self.now_ms);
        let encoded = encoded.map_err(|e| status_of(&e))?;
        self.emitted.push((encoded.entry, encoded.text.into()));
        Ok(())
    }

    /// Runs a change of one event; where it is refused, the event fails.
    fn change(
        &mut self,
        index: u32,
        change: impl FnOnce(&mut Sheet) -> Result<(), Status>,
    ) -> Result<(), Status> {
        self.work(index)?;
        let changed = change(self);
        if let Err(status) = changed {
            self.fail(
                index,
                format!("a change was refused with status {status}").as_bytes(),
            )?;
        }
        changed
    }

    fn changeable(&self, field: u32) -> Result<Key, Status> {
        match FIXED.iter().any(|&fixed| u32::from(fixed) == field) || field == 0 {
            true => Err(abi::E_FIELD),
            false => self.host.key(field).ok_or(abi::E_FIELD),
        }
    }

    /// Checks the value as a push does, by encoding it alone, and notes the member that comes of it.
    fn try_set(&mut self, index: u32, field: u32, value: Value<'_>) -> Result<(), Status> {
        let key = self.changeable(field)?;
        let work = self.work(index)?;
        self.find_members(index)?;
        let ty = TypeId(self.views[index as usize].r#type as u16);
        let given = [
            Field {
                name: FieldName::Id(fields::EVENT_ID),
                value: Value::Str("0"),
            },
            Field {
                name: FieldName::Id(fields::TIMESTAMP),
                value: Value::Str("0"),
            },
            Field {
                name: key.field(),
                value,
            },
        ];
        let encoded = self.encoder.typed(&self.host.schema, ty, &given, 0);
        let encoded = encoded.map_err(|e| status_of(&e))?;
        let at = self.members.len();
        let Some(range) = members::find(encoded.text, &mut self.members) else {
            return Err(abi::E_VALUE);
        };
        let alone = self.members[range.end - 1];
        self.members.truncate(at);
        let whole: Box<[u8]> = alone.whole(encoded.text).into();
        let value_at = whole.len() - alone.value(encoded.text).len();
        let subaccount = encoded.entry.subaccount;

        let text = text_of(&self.views[index as usize]);
        let work = &mut self.works[work];
        let members = &self.members[work.members.clone()];
        work.edits.push(Edit {
            field,
            key,
            member: Some((whole, value_at)),
        });
        if !fits(text, members, &work.edits) {
            work.edits.pop();
            return Err(abi::E_LIMIT);
        }
        if field == u32::from(fields::SUBACCOUNT_ID.0) {
            work.subaccount = Some(subaccount);
        }
        Ok(())
    }

    /// Where in `works` it stands what is asked of an event.
    fn work(&mut self, index: u32) -> Result<usize, Status> {
        let at = self.asked.get_mut(index as usize).ok_or(abi::E_INDEX)?;
        if *at == 0 {
            self.works.push(Work::new(index));
            *at = self.works.len() as u32;
        }
        Ok(*at as usize - 1)
    }

    /// Finds all of an event's members.
    fn find_members(&mut self, index: u32) -> Result<&mut Work, Status> {
        let at = self.work(index)?;
        let text = text_of(&self.views[index as usize]);
        let work = &mut self.works[at];
        work.find(&mut self.members, text, |_| false)?;
        Ok(work)
    }
}

fn text_of<'a>(view: &abi::Event) -> &'a [u8] {
    // SAFETY: `begin` took it from the batch, which outlives the call.
    unsafe { std::slice::from_raw_parts(view.json.cast(), view.length as usize) }
}

/// Whether a member is the field `key`.
fn is(member: &Member, text: &[u8], key: &Key) -> bool {
    match key {
        Key::Known(id) => Catalogue::field(*id).is_some_and(|info| member.is(text, info.name)),
        Key::Named(name) => member.is(text, name),
    }
}

/// The last change of each field, in the order in which fields were first changed.
fn last_changes(edits: &[Edit]) -> impl Iterator<Item = &Edit> {
    let first = |i: usize| edits[..i].iter().all(|e| e.field != edits[i].field);
    let last = move |e: &Edit| edits.iter().rev().find(|l| l.field == e.field);
    (0..edits.len())
        .filter(move |&i| first(i))
        .filter_map(move |i| last(&edits[i]))
}

/// Whether the event with these changes is within the limits of a push.
fn fits(text: &[u8], members: &[Member], edits: &[Edit]) -> bool {
    let (mut bytes, mut fields) = (text.len(), members.len());
    for edit in last_changes(edits) {
        for before in members[1..].iter().filter(|m| is(m, text, &edit.key)) {
            bytes -= before.whole(text).len();
            fields -= 1;
        }
        if let Some((member, _)) = &edit.member {
            bytes += member.len();
            fields += 1;
        }
    }
    bytes <= MAX_TEXT && fields <= members::MOST
}

/// Writes the event with its changes: in place where the field was there, else at the end. What another process put into
/// the inbox may name a field more than once: a change stands in the first place and takes the others away.
fn render(text: &[u8], members: &[Member], edits: &[Edit], out: &mut Vec<u8>) {
    let Some((head, tail)) = members::envelope(text, members) else {
        out.extend_from_slice(text);
        return;
    };
    let changes: Vec<&Edit> = last_changes(edits).collect();
    out.extend_from_slice(head);
    let put = |out: &mut Vec<u8>, edit: &Edit| {
        if let Some((member, _)) = &edit.member {
            out.extend_from_slice(member);
        }
    };
    let mut done = vec![false; changes.len()];
    for member in &members[1..] {
        match changes.iter().position(|edit| is(member, text, &edit.key)) {
            Some(i) if !std::mem::replace(&mut done[i], true) => put(out, changes[i]),
            Some(_) => {}
            None => out.extend_from_slice(member.whole(text)),
        }
    }
    for (edit, _) in changes.iter().zip(&done).filter(|(_, done)| !**done) {
        put(out, edit);
    }
    out.extend_from_slice(tail);
}

/// A JSON value as the filter gets it.
fn read(json: &[u8], escaped: bool, unescaped: &mut Vec<Box<str>>) -> Result<abi::Value, Status> {
    let of_text = |text: &[u8], kind| abi::Value {
        r#as: abi::As {
            text: text.as_ptr().cast(),
        },
        kind,
        length: text.len() as u32,
    };
    let of_int = |integer, kind| abi::Value {
        r#as: abi::As { integer },
        kind,
        length: 0,
    };
    Ok(match json.first().ok_or(abi::E_EVENT)? {
        b'"' if !escaped => of_text(&json[1..json.len() - 1], abi::STRING),
        b'"' => {
            let text: Box<str> = serde_json::from_slice(json).map_err(|_| abi::E_EVENT)?;
            let value = of_text(text.as_bytes(), abi::STRING);
            unescaped.push(text);
            value
        }
        b't' => of_int(1, abi::BOOL),
        b'f' => of_int(0, abi::BOOL),
        b'-' | b'0'..=b'9' => {
            let text = str::from_utf8(json).map_err(|_| abi::E_EVENT)?;
            match text.parse() {
                Ok(integer) => of_int(integer, abi::INT),
                Err(_) => abi::Value {
                    r#as: abi::As {
                        number: text.parse().map_err(|_| abi::E_EVENT)?,
                    },
                    kind: abi::DOUBLE,
                    length: 0,
                },
            }
        }
        _ => of_text(json, abi::JSON),
    })
}

/// A reason or a tag.
fn short(text: &[u8]) -> Result<&str, Status> {
    match str::from_utf8(text) {
        Ok(text) if (1..=MAX_REASON).contains(&text.len()) => Ok(text),
        Ok(_) => Err(abi::E_LIMIT),
        Err(_) => Err(abi::E_VALUE),
    }
}

fn status_of(error: &EventError) -> Status {
    use EventError::{
        FieldName, TooDeep, TooLarge, TooManyFields, UnknownField, UnknownFieldId, UnknownType,
        UnknownTypeId,
    };
    match error {
        TooDeep { .. } | TooLarge { .. } | TooManyFields { .. } => abi::E_LIMIT,
        UnknownType { .. } | UnknownTypeId { .. } => abi::E_TYPE,
        UnknownField { .. } | UnknownFieldId { .. } | FieldName { .. } => abi::E_FIELD,
        _ => abi::E_VALUE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Schema;

    /// As only another process could have written it: the encoder takes a field once.
    #[test]
    fn a_field_that_is_there_twice_is_changed_as_one_and_within_the_limits() {
        let before =
            r#"{"msys":{"message_event":{"type":"delivery","x_a":1,"x_b":2,"x_a":3,"x_a":4}}}"#;
        let host = HostSide::new("test", Arc::new(Schema::new(false)), Arc::new(|_, _| {}));
        let host = Arc::new(host);
        let field = host.number("x_a");
        let after = |value: Option<Value<'_>>| {
            let mut batch = Batch::default();
            let entry = Entry {
                type_id: crate::event::types::DELIVERY.0,
                ..Entry::default()
            };
            batch.push_copy(&entry, before.as_bytes());
            let mut sheet = Sheet::new(host.clone());
            sheet.begin(&batch, &[0], 0);
            match value {
                Some(value) => sheet.set(0, field, value).unwrap(),
                None => sheet.remove(0, field).unwrap(),
            }
            assert_eq!(sheet.apply(&mut batch, &[0]).changed, 1);
            String::from_utf8(batch.text(0).to_vec()).unwrap()
        };
        let with = |member: &str| {
            format!(r#"{{"msys":{{"message_event":{{"type":"delivery"{member},"x_b":2}}}}}}"#)
        };
        assert_eq!(after(None), with(""));
        assert_eq!(after(Some(Value::Int(7))), with(r#","x_a":7"#));
        // Three times that would be more than an event may have.
        let large = "h".repeat(MAX_TEXT / 2);
        let once = with(&format!(r#","x_a":"{large}""#));
        assert_eq!(after(Some(Value::Str(&large))), once);
    }
}
