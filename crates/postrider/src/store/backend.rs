//! The store's file behind redb, without a lock.
