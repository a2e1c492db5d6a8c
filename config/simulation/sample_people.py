"""What a sample week looks like at home in each country: fares, tax codes, people with their tax ids, bank accounts."""

from collections.abc import Mapping

# What a euro's worth of fare is called in each currency, in whole units; 1 where nobody has said.
UNITS: Mapping[str, int] = {"EUR": 1, "MXN": 20, "COP": 4000, "ARS": 1000, "CLP": 950, "PEN": 4}
# The codes of a ride and of the platform's fee, where they are not the pack's first.
TAXES: Mapping[str, tuple[str, str]] = {"ES": ("IVA10", "IVA21"), "AR": ("IVA105", "IVA21")}
# Name and tax id, with its type before it where that is not the country's first.
PEOPLE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ES": {
        "driver": ("Ana Ruiz Pardo", "12345678Z"), "fleet": ("Flota Norte, S.L.", "B12345674"),
        "partner": ("Casa Íñigo, S.L.", "A58818501"), "customer": ("Lucía Peña Ortiz", ""), "city": ("Madrid", ""),
    },
    "MX": {
        "driver": ("Xóchitl Casas Chávez", "CACX7605101P8"), "fleet": ("Rutas del Valle, S.A. de C.V.", "EKU9003173C9"),
        "partner": ("Taquería Doña Concepción", "XAXX010101000"), "customer": ("Fernanda Núñez", ""),
        "city": ("Ciudad de México", ""),
    },
    "CO": {
        "driver": ("Jhon Peña Ruiz", "CC 1032456789"), "fleet": ("Domicilios La 85 S.A.S.", "900765432-6"),
        "partner": ("Restaurante Andes S.A.S.", "901234567-7"), "customer": ("Camila Rojas", ""),
        "city": ("Bogotá", ""),
    },
    "AR": {
        "driver": ("Malena Agüero", "CUIL 20-26756539-3"), "fleet": ("Remises del Sur S.R.L.", "30-71234567-1"),
        "partner": ("Parrilla Ñandubay", "30-71234567-1"), "customer": ("Joaquín Güemes", ""),
        "city": ("Buenos Aires", ""),
    },
    "CL": {
        "driver": ("Matías Ñancupil", "12.531.909-2"), "fleet": ("Transportes Cordillera SpA", "76543210-3"),
        "partner": ("Picada Doña Güisa", "76543210-3"), "customer": ("Antonia Muñoz", ""), "city": ("Santiago", ""),
    },
    "PE": {
        "driver": ("Yesenia Quispe Ñahui", "DNI 45678912"), "fleet": ("Flota Miraflores S.A.C.", "20601234565"),
        "partner": ("Cevichería Canta Rana", "20601234565"), "customer": ("Renzo Peñaloza", ""), "city": ("Lima", ""),
    },
}  # fmt: skip
PAYOUT_METHODS: Mapping[str, tuple[str, str]] = {
    "ES": ("SEPA", "ES** **** 6789"), "MX": ("SPEI", "CLABE ****6789"), "CO": ("PSE", "Ahorros ****6789"),
    "AR": ("CBU", "CBU ****6789"), "CL": ("TEF", "Cuenta RUT ****909"), "PE": ("CCI", "CCI ****6789"),
}  # fmt: skip
