//! Where an address is, in the contract's words.

use maxminddb::{Reader, WithinOptions, geoip2};
use postrider_filter::Error;
use serde::Serialize;
use std::net::IpAddr;
use std::path::Path;

/// So many networks are looked at to see whether a database is one of places.
const LOOKED_AT: usize = 1000;

/// The object `geo_ip`. What the database does not say is left out.
#[derive(Default, Serialize, PartialEq)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    continent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    /// The postal code where it is a number: what consumers of old read.
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// None where the record says nothing of a place. A database of countries has records that are a part of a city's.
    fn of(record: &geoip2::City<'a>) -> Option<Place<'a>> {
        let place = Place {
            continent: record.continent.code,
            country: record.country.iso_code,
            region: record.subdivisions.first().and_then(|s| s.iso_code),
            city: record.city.names.english,
            latitude: record.location.latitude,
            longitude: record.location.longitude,
            zip: record.postal.code.and_then(|code| code.parse().ok()),
            postal_code: record.postal.code,
        };
        (place != Place::default()).then_some(place)
    }
}

/// A database of places, in memory: no file of an operator's is mapped into a mail server.
pub(crate) struct Places(Reader<Vec<u8>>);

impl Places {
    /// Reads a database and sees that it is one of places.
    pub(crate) fn read(path: &Path) -> Result<Places, Error> {
        let wrong =
            |what: &dyn std::fmt::Display| Error::new(format!("geo_ip {}: {what}", path.display()));
        let reader = Reader::open_readfile(path).map_err(|e| wrong(&e))?;
        let mut places = false;
        let networks = reader.networks(WithinOptions::default());
        for network in networks.map_err(|e| wrong(&e))?.take(LOOKED_AT) {
            let record = network.and_then(|network| network.decode::<geoip2::City<'_>>());
            let record = record.map_err(|e| wrong(&e))?;
            places |= record.is_some_and(|record| Place::of(&record).is_some());
            if places {
                break;
            }
        }
        match places {
            true => Ok(Places(reader)),
            false => Err(wrong(&format!(
                "is a {} and has no places: name a database of cities or countries",
                reader.metadata().database_type
            ))),
        }
    }

    /// The object for an address; none for what is no address, and for one that the database does not have.
    pub(crate) fn of(&self, address: &str) -> Result<Option<String>, Error> {
        let Ok(address) = address.parse::<IpAddr>() else {
            return Ok(None);
        };
        // A database of version 4 alone has no place for the others; that is no fault of the event's.
        if address.is_ipv6() && self.0.metadata().ip_version == 4 {
            return Ok(None);
        }
        let record = self.0.lookup(address)?.decode::<geoip2::City<'_>>()?;
        match record.as_ref().and_then(Place::of) {
            Some(place) => Ok(Some(serde_json::to_string(&place)?)),
            None => Ok(None),
        }
    }
}
