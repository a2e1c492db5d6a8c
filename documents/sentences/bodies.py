"""The sentences of what is wrong with a request or its body: code, or `code.cause` where a code has several."""

from collections.abc import Mapping

from documents.countries.sources import Words

TABLE: Mapping[str, Words] = {
    "host_not_allowed": Words(
        es="La cabecera Host no nombra este servicio: su dirección es {public_url}.",
        en="The Host header does not name this service: its address is {public_url}.",
    ),
    "malformed_json.depth": Words(
        es="El cuerpo anida más de {depth_max} niveles.", en="The body is nested deeper than {depth_max} levels."
    ),
    "malformed_json.encoding": Words(es="El cuerpo no es UTF-8.", en="The body is not UTF-8."),
    "malformed_json.syntax": Words(
        es="El cuerpo no es JSON en la línea {line}, columna {column}.",
        en="The body is not JSON at line {line}, column {column}.",
    ),
    "malformed_json.repeated_name": Words(
        es="Un nombre aparece dos veces en el mismo objeto.", en="A member name appears twice in one object."
    ),
    "malformed_json.value": Words(
        es="El cuerpo trae un número o un texto que JSON no admite.",
        en="The body holds a number or a text that JSON does not allow.",
    ),
    "validation_error.not_an_object": Words(
        es="El cuerpo tiene que ser un objeto JSON.", en="The body must be one JSON object."
    ),
    "event_type_not_allowed": Words(
        es="El servicio {service} no puede enviar {type}.", en="The service {service} may not send {type}."
    ),
    "webhook_signature_invalid.headers": Words(
        es="Falta o no tiene su forma la cabecera {headers}.", en="Missing or malformed header: {headers}."
    ),
    "webhook_signature_invalid.mismatch": Words(
        es="La firma de webhook-signature no es la de webhook-id.webhook-timestamp.cuerpo con ningún secreto vigente.",
        en="webhook-signature does not sign webhook-id.webhook-timestamp.body with any secret in force.",
    ),
    "webhook_stale": Words(
        es="webhook-timestamp difiere de nuestro reloj en {off_s} s; se admiten {most_s}.",
        en="webhook-timestamp is {off_s} s off our clock; {most_s} are allowed.",
    ),
    "unknown_parameter": Words(es="Parámetros desconocidos: {parameters}.", en="Unknown parameters: {parameters}."),
    "invalid_cursor.other_list": Words(
        es="El cursor es de una lista con otros parámetros.", en="The cursor belongs to a list with other parameters."
    ),
    "idempotency_key": Words(
        es="Lleva de 8 a 128 caracteres de A-Z a-z 0-9 _ -.", en="It has 8 to 128 characters of A-Z a-z 0-9 _ -."
    ),
    "invalid_choice": Words(es="No es uno de los valores posibles.", en="It is not one of the possible values."),
    "invalid": Words(es="No tiene la forma que se espera.", en="It does not have the form that is expected."),
    "text_too_long": Words(es="Es demasiado largo.", en="It is too long."),
    "text_too_short": Words(es="Es demasiado corto.", en="It is too short."),
    "one_of": Words(
        es="Indica un documento, o un titular con su país.", en="State a document, or a party with its country."
    ),
    "twice": Words(es="Está dos veces.", en="It is stated twice."),
    "length": Words(es="Lleva de {min} a {max} caracteres.", en="It has {min} to {max} characters."),
    "range": Words(es="Tiene que estar entre {min} y {max}.", en="It must be between {min} and {max}."),
    # What a schema finds; these codes are pydantic's and those of `events.fields`.
    "missing": Words(es="Falta.", en="It is missing."),
    "null": Words(es="Es null: deja fuera lo que no se sabe.", en="It is null: leave out what is not known."),
    "extra_forbidden": Words(es="Este campo no existe.", en="There is no such field."),
    "type": Words(es="Un evento es un objeto JSON.", en="An event is a JSON object."),
    "string_type": Words(es="Tiene que ser un texto.", en="It must be a text."),
    "string_pattern_mismatch": Words(es="No tiene la forma {pattern}.", en="It does not have the form {pattern}."),
    "literal_error": Words(es="Tiene que ser uno de {expected}.", en="It must be one of {expected}."),
    "list_type": Words(es="Tiene que ser una lista.", en="It must be a list."),
    "dict_type": Words(es="Tiene que ser un objeto.", en="It must be an object."),
    "model_type": Words(es="Tiene que ser un objeto.", en="It must be an object."),
    "model_attributes_type": Words(es="Tiene que ser un objeto.", en="It must be an object."),
    "too_short": Words(es="Tiene menos de {min_length} elementos.", en="It has fewer than {min_length} items."),
    "too_long": Words(es="Pasa del máximo: {max_length}.", en="It is longer than the maximum: {max_length}."),
    "string_too_long": Words(
        es="Tiene más de {max_length} caracteres.", en="It is longer than {max_length} characters."
    ),
    "forbidden_character": Words(
        es="Trae un carácter de control, bidireccional o prohibido.",
        en="It holds a control, bidi or other forbidden character.",
    ),
    "blank": Words(es="Está vacío.", en="It is empty."),
    "too_many_marks": Words(
        es="Trae más de {max} signos combinados seguidos.", en="It has more than {max} combining marks in a row."
    ),
    "amount": Words(
        es="Un importe es un texto como 22.00, sin exponente, signo + ni ceros a la izquierda.",
        en="An amount is text such as 22.00, without exponent, sign + or leading zeros.",
    ),
    "digits": Words(es="Tiene más decimales que la moneda.", en="It has more decimals than the currency."),
    "negative": Words(es="No puede ser negativo.", en="It cannot be negative."),
    "rate": Words(
        es="Un tipo es una fracción decimal en texto, como 0.021.",
        en="A rate is a decimal fraction as text, such as 0.021.",
    ),
    "moment": Words(
        es="No es una fecha y hora RFC 3339 con zona.", en="It is not an RFC 3339 date and time with zone."
    ),
    "ahead": Words(
        es="Está más de {minutes_max} minutos en el futuro.", en="It is more than {minutes_max} minutes ahead of now."
    ),
    "date": Words(es="No es una fecha AAAA-MM-DD.", en="It is not a date YYYY-MM-DD."),
    "time_zone": Words(es="No es una zona horaria IANA.", en="It is not an IANA time zone."),
    "email": Words(es="No es una dirección de correo.", en="It is not an e-mail address."),
    "not_masked": Words(
        es="Muestra como mucho {first_max} dígitos al principio y {last_max} al final, y oculta al menos otros tantos.",
        en="Show at most {first_max} digits at the start and {last_max} at the end, and hide at least as many.",
    ),
    "repeated": Words(es="El mismo id aparece dos veces en la lista.", en="The same id is twice in the list."),
    "other_supply": Words(
        es="Una línea de esta clase no es de esa prestación (supply).", en="A line of this kind is of another supply."
    ),
    "tax_or_taxes": Words(es="Indica uno solo de tax y taxes.", en="State either tax or taxes."),
    "partner_missing": Words(
        es="Trae importes del comercio, y el pedido no nombra ninguno.",
        en="It has amounts of a partner, and the order names none.",
    ),
    "names_one": Words(
        es="Indica uno solo de order, adjustment y credit.", en="State exactly one of order, adjustment and credit."
    ),
    "orders_or_settles": Words(
        es="Indica uno solo de orders y settles.", en="State exactly one of orders and settles."
    ),
    "lines_or_amount": Words(
        es="Indica lo que se devuelve: lines, refund.amount (mayor que cero) o ambos.",
        en="State what goes back: lines, refund.amount (above zero), or both.",
    ),
    "replaces_itself": Words(
        es="Una devolución no se sustituye a sí misma: lleva un id nuevo.",
        en="A refund does not replace itself: it has a new id.",
    ),
    "above_zero": Words(es="El importe es mayor que cero.", en="The amount is above zero."),
    "not_zero": Words(
        es="Un periodo que se cierra sin pago tiene importe cero.",
        en="A period that is closed without a payout has amount zero.",
    ),
}
