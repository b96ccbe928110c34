//! Ids are in headers, logs and other people's programs: a name keeps its id for good.

use crate::event::{Catalogue, FieldId, JsonType, TypeId, fields, types};

/// In the order of their ids, from 1. Add at the end; never change what is there.
const TYPES: &str = "\
    bounce delivery injection sms_status spam_complaint out_of_band policy_rejection delay click \
    open initial_open amp_click amp_open amp_initial_open generation_failure \
    generation_rejection list_unsubscribe link_unsubscribe relay_injection relay_rejection \
    relay_delivery relay_tempfail relay_permfail ab_test_completed ab_test_cancelled success \
    error";

/// In the order of their ids, from 1. Add at the end; never change what is there.
const FIELDS: &str = "\
    type event_id timestamp customer_id subaccount_id message_id transmission_id campaign_id \
    template_id template_version ab_test ab_test_id ab_test_version rcpt_to raw_rcpt_to \
    rcpt_hash rcpt_type rcpt_meta rcpt_subs rcpt_tags recipient_domain routing_domain \
    friendly_from msg_from mailfrom subject msg_size injection_time scheduled_time recv_method \
    delv_method remote_addr ip_address sending_ip ip_pool mailbox_provider \
    mailbox_provider_region outbound_tls num_retries queue_time device_token transactional \
    bounce_class error_code reason raw_reason amp_enabled click_tracking open_tracking \
    initial_pixel target_link_name target_link_url user_agent user_agent_parsed geo_ip fbtype \
    report_by report_to origination relay_id sms_coding sms_dst sms_dst_npi sms_dst_ton sms_src \
    sms_src_npi sms_src_ton sms_text sms_segments sms_remoteids dr_latency stat_type stat_state \
    batch_id expiration_timestamp number_succeeded number_failed number_duplicates error_type \
    retryable href";

#[test]
fn types_keep_their_ids() {
    let names: Vec<&str> = Catalogue::types().iter().map(|ty| ty.name).collect();
    assert_eq!(names, TYPES.split(' ').collect::<Vec<_>>());
    for (i, ty) in Catalogue::types().iter().enumerate() {
        assert_eq!(usize::from(ty.id.0), i + 1, "{}", ty.name);
    }
    assert_eq!(types::BOUNCE, TypeId(1));
    assert_eq!(types::ERROR, TypeId(27));
}

#[test]
fn fields_keep_their_ids() {
    let names: Vec<&str> = Catalogue::fields().iter().map(|field| field.name).collect();
    assert_eq!(names, FIELDS.split(' ').collect::<Vec<_>>());
    for (i, field) in Catalogue::fields().iter().enumerate() {
        assert_eq!(usize::from(field.id.0), i + 1, "{}", field.name);
    }
    assert_eq!(fields::TYPE, FieldId(1));
    assert_eq!(fields::HREF, FieldId(81));
}

#[test]
fn every_type_is_in_one_category_and_found_by_its_name() {
    assert_eq!(Catalogue::categories().len(), 7);
    let listed: usize = Catalogue::categories().iter().map(|c| c.types.len()).sum();
    assert_eq!(listed, Catalogue::types().len());
    for category in Catalogue::categories() {
        for &id in category.types {
            let ty = Catalogue::type_info(id).unwrap();
            assert_eq!(ty.category().name, category.name);
            assert_eq!(Catalogue::type_by_name(ty.name).unwrap().id, id);
            assert!(ty.fields.contains(&fields::TYPE), "{}", ty.name);
            assert!(ty.fields.contains(&fields::TIMESTAMP), "{}", ty.name);
        }
    }
    assert!(Catalogue::type_by_name("Delivery").is_none());
    assert!(Catalogue::type_by_name("").is_none());
    assert!(Catalogue::type_info(TypeId(0)).is_none());
    assert!(Catalogue::type_info(TypeId(28)).is_none());
}

#[test]
fn every_field_is_used_described_and_found_by_its_name() {
    for field in Catalogue::fields() {
        let used = Catalogue::types()
            .iter()
            .any(|ty| ty.fields.contains(&field.id));
        assert!(used, "{}", field.name);
        assert!(!field.description.is_empty(), "{}", field.name);
        assert_eq!(Catalogue::field_by_name(field.name).unwrap().id, field.id);
        let longer = format!("{}_", field.name);
        assert!(Catalogue::field_by_name(&longer).is_none(), "{longer}");
    }
    assert!(Catalogue::field_by_name("").is_none());
    assert!(Catalogue::field(FieldId(0)).is_none());
    assert!(Catalogue::field(FieldId(82)).is_none());
}

#[test]
fn what_the_contract_does_not_send_as_text() {
    let not_text: Vec<(&str, JsonType)> = Catalogue::fields()
        .iter()
        .filter(|field| field.kind != JsonType::String)
        .map(|field| (field.name, field.kind))
        .collect();
    use JsonType::{Array, Boolean, Integer, Object};
    let expected = [
        ("ab_test", Object),
        ("rcpt_meta", Object),
        ("rcpt_subs", Object),
        ("rcpt_tags", Array),
        ("amp_enabled", Boolean),
        ("click_tracking", Boolean),
        ("open_tracking", Boolean),
        ("initial_pixel", Boolean),
        ("user_agent_parsed", Object),
        ("geo_ip", Object),
        ("sms_segments", Integer),
        ("sms_remoteids", Array),
        ("number_succeeded", Integer),
        ("number_failed", Integer),
        ("number_duplicates", Integer),
        ("retryable", Boolean),
    ];
    assert_eq!(not_text, expected);
}
