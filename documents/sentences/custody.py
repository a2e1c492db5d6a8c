"""The sentences of rendering and of the vault: code, or `code.cause` where a code has several."""

from collections.abc import Mapping

from documents.countries.sources import Words

TABLE: Mapping[str, Words] = {
    "decision_not_possible.held": Words(
        es="El asunto ya cubre justo esto, o está propuesto que termine.",
        en="The matter covers just this already, or its end is proposed.",
    ),
    "decision_not_possible.hold_step": Words(
        es="El asunto no está en ese paso: mira su estado.", en="The matter is not at that step: look at its state."
    ),
    "decision_not_possible.rotated": Words(
        es="La clave ya se cambió por otra.", en="The key has been rotated already."
    ),
    "dependency_degraded": Words(
        es="No responde {dependency}: reintenta.", en="{dependency} does not answer: try again."
    ),
    "document_not_ready.unsealed": Words(
        es="Sus eventos aún no están sellados; lo están en unos segundos.",
        en="Its events are not sealed yet; they will be in seconds.",
    ),
    "document_not_ready.leased": Words(es="Otro proceso tiene el documento.", en="Another worker has the document."),
    "hold_end_differs.open": Words(
        es="{what} está vigente sin fecha de fin: deja la fecha vacía o usa otro asunto.",
        en="{what} has no end: leave the date empty or use another matter.",
    ),
    "hold_end_differs.until": Words(
        es="{what} está vigente hasta el {date}: deja la fecha vacía o usa otro asunto.",
        en="{what} holds until {date}: leave the date empty or use another matter.",
    ),
    "not_found.page": Words(
        es="La página {page} no existe: hay {pages}.", en="There is no page {page}: it has {pages}."
    ),
    "render_failed.engine": Words(es="El motor de PDF falló: {error}.", en="The PDF engine failed: {error}."),
    "render_failed.template": Words(
        es="No hay plantilla de {kind} para {country}, versión {version}.",
        en="There is no PDF template for {kind} in {country}, version {version}.",
    ),
    "render_failed.other_content": Words(
        es="El PDF no lleva el contenido de este documento; no se resguarda.",
        en="The PDF does not carry this document's content; it is not locked.",
    ),
    "render_failed.other_job": Words(es="La respuesta es de otro trabajo.", en="The answer belongs to another job."),
    "render_failed.ended": Words(es="El proceso que compone terminó ({status}).", en="The renderer ended ({status})."),
    "render_failed.socket": Words(es="El proceso que compone cerró su conexión.", en="The renderer closed its socket."),
    "render_failed.start": Words(es="El proceso que compone no arranca.", en="The renderer does not start."),
    "render_timeout.answer": Words(
        es="No hubo respuesta en {seconds} s.", en="There was no answer within {seconds} s."
    ),
    "render_timeout.cpu": Words(es="Agotó su tiempo de CPU.", en="It was out of CPU time."),
    "render_timeout.busy": Words(es="Todos los procesos que componen están ocupados.", en="Every renderer is busy."),
    "worm_bucket_misconfigured.url": Words(
        es="VAULT_URL no sirve con {scheme}: usa s3://cubo?endpoint=https://servidor o file:///carpeta/absoluta.",
        en="VAULT_URL does not work with {scheme}: use s3://bucket?endpoint=https://host or file:///absolute/folder.",
    ),
    "worm_bucket_misconfigured.unproven": Words(
        es="Ninguna prueba de la bóveda ha salido bien todavía: no se da ningún número.",
        en="No probe of the vault has passed yet: no number is given.",
    ),
    "worm_bucket_misconfigured.canary_in_use": Words(
        es="La prueba completa no se hace en un cubo con documentos: usa otro con los mismos ajustes.",
        en="The full probe is not made in a bucket with documents: use another one of the same settings.",
    ),
    "worm_bucket_misconfigured.canary_differs": Words(
        es="El cubo de prueba no tiene los ajustes del de la bóveda (versiones, Object Lock, regla por defecto).",
        en="The canary bucket is not set as the vault's (versions, Object Lock, default rule).",
    ),
    "worm_bucket_misconfigured.attack": Words(
        es="La bóveda dejó pasar un ataque: {attack}.", en="The vault let an attack through: {attack}."
    ),
    "worm_bucket_misconfigured.bucket": Words(
        es="El cubo de VAULT_URL no se encuentra: {error}.", en="The bucket of VAULT_URL is not found: {error}."
    ),
    "worm_bucket_misconfigured.credentials": Words(
        es="Faltan las claves de la bóveda.", en="The keys of the vault are missing."
    ),
    "worm_bucket_misconfigured.locking": Words(es="El cubo no tiene Object Lock.", en="The bucket has no Object Lock."),
    "worm_bucket_misconfigured.versioning": Words(
        es="El cubo no guarda versiones.", en="The bucket keeps no versions."
    ),
    "worm_bucket_misconfigured.skewed": Words(
        es="La bóveda dice que nuestro reloj se desvía.", en="The vault says that our clock is off."
    ),
    "worm_bucket_misconfigured.store_clock": Words(
        es="El reloj de la bóveda se desvía {seconds} s.", en="The vault's clock is {seconds} s off."
    ),
    "worm_bucket_misconfigured.timeless": Words(
        es="La bóveda no dice su hora.", en="The vault does not tell its time."
    ),
    "worm_bucket_misconfigured.replaced": Words(
        es="Una escritura sustituyó un objeto que existía.", en="A put replaced an existing object."
    ),
    "worm_bucket_misconfigured.clock": Words(es="El reloj se desvía {seconds} s.", en="The clock is {seconds} s off."),
    "worm_checksum_mismatch.other_bytes": Words(
        es="Otros bytes ocupan ya {key}.", en="Other bytes already lie under {key}."
    ),
    "worm_checksum_mismatch.version": Words(
        es="{key} no tiene los bytes de su versión.", en="{key} has not the bytes of its version."
    ),
    "worm_checksum_mismatch.size": Words(
        es="{key}: se leen {found_bytes} bytes y se prometieron {promised_bytes}.",
        en="{key}: {found_bytes} bytes are read, {promised_bytes} were promised.",
    ),
    "worm_checksum_mismatch.bytes": Words(
        es="{key} tiene otros bytes de los que se guardaron.", en="{key} has other bytes than were stored."
    ),
    "worm_checksum_mismatch.record": Words(
        es="El registro de {key} dice otro tipo o tamaño.", en="The record of {key} names another type or length."
    ),
    "record_differs": Words(
        es="Lo que consta de {what} no es lo que se emitió: {columns}.",
        en="What is on record of {what} is not what was issued: {columns}.",
    ),
    "worm_checksum_mismatch.content": Words(
        es="El PDF de {key} no lleva el contenido emitido.", en="The PDF of {key} does not carry the issued content."
    ),
    "worm_checksum_mismatch.intent": Words(
        es="La huella prevista no es la de los bytes.", en="The intended hash is not that of the bytes."
    ),
    "worm_checksum_mismatch.no_record": Words(
        es="Los bytes de {key} no tienen registro de bloqueo.", en="The bytes of {key} have no lock record."
    ),
    "worm_version_missing.unlisted": Words(
        es="{key} se lee, pero su versión no está en la lista de la bóveda.",
        en="{key} can be read, but its version is not in the vault's list.",
    ),
    "worm_version_missing.gone": Words(es="Falta {key} en la bóveda.", en="{key} is missing in the vault."),
    "worm_lock_missing.no_record": Words(
        es="Los bytes de {key} no tienen registro de bloqueo.", en="The bytes of {key} have no lock record."
    ),
    "worm_lock_missing.other_record": Words(
        es="El registro de bloqueo de {key} es de otro objeto.", en="The lock record of {key} is not this object's."
    ),
    "worm_lock_missing.unreadable": Words(
        es="El registro de bloqueo de {key} no se puede leer.", en="The lock record of {key} cannot be read."
    ),
    "worm_lock_missing.writable": Words(es="El fichero {file} se puede escribir.", en="The file {file} is writable."),
    "worm_lock_missing.flag": Words(
        es="El fichero {file} ya no es inmutable.", en="The immutable flag of the file {file} is gone."
    ),
    "worm_lock_missing.unlocked": Words(es="{key} no está bloqueado.", en="{key} is not locked."),
    "worm_lock_too_short": Words(
        es="{key} está bloqueado hasta {until_date} y la política dice {policy_date}.",
        en="{key} is locked until {until_date}, and the policy says {policy_date}.",
    ),
    "worm_mode_weak": Words(es="La bóveda promete {mode}.", en="The vault promises {mode}."),
    "worm_delete_marker": Words(
        es="Alguien borró {key}; sus bytes siguen.", en="Somebody deleted {key}; its bytes remain."
    ),
    "worm_extra_version": Words(
        es="{key} tiene otra versión con otros bytes: {version}.",
        en="{key} has another version with other bytes: {version}.",
    ),
    "worm_extra_version.identical": Words(
        es="{key} tiene otra versión con los mismos bytes: {version}.",
        en="{key} has another version with the same bytes: {version}.",
    ),
    "worm_still_locked": Words(es="{key} se conserva hasta el {until_date}.", en="{key} is kept until {until_date}."),
    "worm_unavailable.folder": Words(es="La carpeta de la bóveda no está.", en="The vault's folder is gone."),
    "worm_unavailable.not_compared": Words(
        es="Aún no se sabe si la bóveda tiene números posteriores: no se da ninguno hasta que responda.",
        en="Nobody knows yet whether the vault has later numbers: none is given until it answers.",
    ),
    "worm_unavailable.unknown_store": Words(
        es="El documento está en {store}: di con qué se abre en VAULT_FORMER_URL.",
        en="The document lies in {store}: say in VAULT_FORMER_URL how it is opened.",
    ),
    "worm_unavailable.system": Words(
        es="La bóveda no responde ({doing}): {error}.", en="The vault does not answer ({doing}): {error}."
    ),
    "worm_write_denied": Words(
        es="La bóveda rechaza la escritura ({doing}): {error}.", en="The vault refuses to write ({doing}): {error}."
    ),
}
