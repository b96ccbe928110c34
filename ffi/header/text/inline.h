/*
 * Making fields. The text is borrowed until the push returns. A NULL text is refused by the push, which names the
 * field; say postrider_strn(id, "", 0) for an empty one.
 */

/* Not for direct use: a field without its value. */
static inline postrider_field postrider_field_start(uint32_t id, const char *name, uint16_t kind)
{
    postrider_field field;
    size_t length = name ? strlen(name) : 0;
    field.id = (uint16_t)(id > UINT16_MAX ? UINT16_MAX : id);
    field.kind = kind;
    field.name_length = (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length);
    field.reserved = 0;
    field.name = name;
    field.value.integer = 0;
    field.length = 0;
    return field;
}

/* Not for direct use: NULL gets a length so that it is told from an empty text. */
static inline postrider_field postrider_field_text(postrider_field field, const char *text, size_t length)
{
    field.value.text = text;
    field.length = text || !length ? length : 1;
    return field;
}

/* Text of a given length. */
static inline postrider_field postrider_strn(uint32_t id, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(id, NULL, POSTRIDER_KIND_STRING), text, length);
}

/* Text closed by a NUL. */
static inline postrider_field postrider_str(uint32_t id, const char *text)
{
    return postrider_strn(id, text, text ? strlen(text) : 1);
}

/* A whole number. */
static inline postrider_field postrider_int(uint32_t id, int64_t value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_INT);
    field.value.integer = value;
    return field;
}

/* A finite number. */
static inline postrider_field postrider_double(uint32_t id, double value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_DOUBLE);
    field.value.number = value;
    return field;
}

/* True (not 0) or false. */
static inline postrider_field postrider_bool(uint32_t id, int value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_BOOL);
    field.value.integer = value != 0;
    return field;
}

/* A JSON value as text, for arrays and objects: "[\"male\",\"US\"]" for POSTRIDER_FIELD_RCPT_TAGS. */
static inline postrider_field postrider_json(uint32_t id, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(id, NULL, POSTRIDER_KIND_JSON), text, length);
}

/* The same by name, for fields that the catalogue does not have. */
static inline postrider_field postrider_named_strn(const char *name, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(0, name, POSTRIDER_KIND_STRING), text, length);
}

static inline postrider_field postrider_named_str(const char *name, const char *text)
{
    return postrider_named_strn(name, text, text ? strlen(text) : 1);
}

static inline postrider_field postrider_named_int(const char *name, int64_t value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_INT);
    field.value.integer = value;
    return field;
}

static inline postrider_field postrider_named_double(const char *name, double value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_DOUBLE);
    field.value.number = value;
    return field;
}

static inline postrider_field postrider_named_bool(const char *name, int value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_BOOL);
    field.value.integer = value != 0;
    return field;
}

static inline postrider_field postrider_named_json(const char *name, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(0, name, POSTRIDER_KIND_JSON), text, length);
}
