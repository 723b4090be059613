"""Is a JSON value as a schema of JSON Schema 2020-12 says? As much of it as openapi.yaml uses; what is not known is an error."""

import math
import re

KNOWN = {"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "required", "properties", "additionalProperties", "propertyNames",
         "items", "minItems", "maxItems", "minimum", "maximum", "maxLength", "minLength", "pattern"}
WORDS = {"description", "title", "default", "example", "examples", "contentEncoding", "contentMediaType", "format"}
TYPES = {"null": type(None), "boolean": bool, "string": str, "array": list, "object": dict}


def is_of_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool) or isinstance(value, float) and value == math.floor(value)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def look_up(document, ref):
    node = document
    for key in ref.removeprefix("#/").split("/"):
        node = node[key.replace("~1", "/").replace("~0", "~")]
    return node


def faults(document, schema, value, at=""):
    """What is wrong with value, as texts; nothing: it is valid."""
    if schema is True or schema == {}:
        return []
    unknown = set(schema) - KNOWN - WORDS
    if unknown:
        return [f"{at}: the schema has {sorted(unknown)}, which this test does not know"]
    found = []
    if "$ref" in schema:
        found += faults(document, look_up(document, schema["$ref"]), value, at)
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(is_of_type(value, n) for n in names):
        return found + [f"{at}: {value!r:.80} is no {' or '.join(names)}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r:.80} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r:.80} is not {schema['const']!r}")
    found += choices(document, schema, value, at)
    if isinstance(value, dict):
        found += of_object(document, schema, value, at)
    elif isinstance(value, list):
        found += of_array(document, schema, value, at)
    elif isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{at}: {value!r:.80} does not match {schema['pattern']}")
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
            found.append(f"{at}: a string of {len(value)} characters")
    elif is_of_type(value, "number") and not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        found.append(f"{at}: {value} is out of range")
    return found


def choices(document, schema, value, at):
    found = []
    for part in schema.get("allOf", []):
        found += faults(document, part, value, at)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            results = [faults(document, part, value, at) for part in schema[key]]
            fit = sum(not r for r in results)
            if fit == 0:
                found.append(f"{at}: {value!r:.120} is none of {key}: {[r[0] for r in results]}")
            elif key == "oneOf" and fit > 1:
                found.append(f"{at}: {value!r:.120} is {fit} of oneOf")
    return found


def of_object(document, schema, value, at):
    found = [f"{at}: {key!r} is missing" for key in schema.get("required", []) if key not in value]
    for key, member in value.items():
        if "propertyNames" in schema:
            found += faults(document, schema["propertyNames"], key, f"{at}/{key} (its name)")
        if key in schema.get("properties", {}):
            found += faults(document, schema["properties"][key], member, f"{at}/{key}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{at}: {key!r} is not described")
        elif isinstance(schema.get("additionalProperties"), dict):
            found += faults(document, schema["additionalProperties"], member, f"{at}/{key}")
    return found


def of_array(document, schema, value, at):
    found = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        found.append(f"{at}: {len(value)} elements")
    if "items" in schema:
        for i, element in enumerate(value):
            found += faults(document, schema["items"], element, f"{at}/{i}")
    return found
