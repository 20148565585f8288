"""Names of units, currencies, magnitudes and abbreviations as they are said in English: data, no rules."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


def _plural(*names: str) -> dict[str, tuple[str, str]]:
    """ "km=kilometer" → {"km": ("kilometer", "kilometers")}; "ft=foot/feet" gives an irregular plural."""
    table = {}
    for entry in names:
        sign, _, words = entry.partition("=")
        one, _, many = words.partition("/")
        table[sign] = (one, many or one + "s")
    return table


UNITS = _plural(
    "km=kilometer", "m=meter", "cm=centimeter", "mm=millimeter", "µm=micrometer", "nm=nanometer", "mi=mile",
    "ft=foot/feet", "yd=yard", '"=inch/inches', "″=inch/inches", "kg=kilogram", "g=gram",
    "mg=milligram", "µg=microgram", "lb=pound", "lbs=pound", "oz=ounce", "l=liter", "L=liter",
    "ml=milliliter", "mL=milliliter", "cl=centiliter", "gal=gallon", "fl oz=fluid ounce", "tbsp=tablespoon",
    "tsp=teaspoon", "s=second", "sec=second", "ms=millisecond", "µs=microsecond", "ns=nanosecond",
    "min=minute", "mins=minute", "h=hour", "hr=hour", "hrs=hour", "Hz=hertz/hertz", "kHz=kilohertz/kilohertz",
    "MHz=megahertz/megahertz", "GHz=gigahertz/gigahertz", "KB=kilobyte", "kB=kilobyte",
    "MB=megabyte", "GB=gigabyte", "TB=terabyte", "PB=petabyte", "GiB=gibibyte", "MiB=mebibyte",
    "Mbps=megabit per second/megabits per second", "Mbit/s=megabit per second/megabits per second",
    "Gbps=gigabit per second/gigabits per second", "MB/s=megabyte per second/megabytes per second",
    "kbps=kilobit per second/kilobits per second", "fps=frame per second/frames per second", "W=watt",
    "kW=kilowatt", "MW=megawatt", "GW=gigawatt", "kWh=kilowatt hour", "MWh=megawatt hour", "V=volt", "mV=millivolt",
    "kV=kilovolt", "mA=milliamp", "mAh=milliamp hour", "Ω=ohm", "kΩ=kiloohm", "kJ=kilojoule",
    "cal=calorie", "kcal=kilocalorie", "Pa=pascal", "kPa=kilopascal", "hPa=hectopascal",
    "psi=P-S-I/P-S-I", "bar=bar", "dB=decibel", "rpm=revolution per minute/revolutions per minute", "ha=hectare",
    "°C=degree Celsius/degrees Celsius", "℃=degree Celsius/degrees Celsius",
    "°F=degree Fahrenheit/degrees Fahrenheit", "℉=degree Fahrenheit/degrees Fahrenheit", "°=degree",
    "mph=mile per hour/miles per hour", "km/h=kilometer per hour/kilometers per hour",
    "kph=kilometer per hour/kilometers per hour", "m/s=meter per second/meters per second",
    "m²=square meter", "m2=square meter", "km²=square kilometer", "cm²=square centimeter", "m³=cubic meter",
    "cm³=cubic centimeter", "sq ft=square foot/square feet", "ft²=square foot/square feet", "px=pixel",
    "ppm=part per million/parts per million", "%=percent/percent", "‰=per mille/per mille", "x=time", "×=time",
    "dpi=D-P-I/D-P-I",
)  # fmt: skip

# Sign or code → one, many, one hundredth, many hundredths ("" where prices have none).
CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U-S dollar", "U-S dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "USD": ("U-S dollar", "U-S dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
    "JPY": ("yen", "yen", "", ""),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
}

MAGNITUDES = {
    "k": "thousand", "thousand": "thousand", "m": "million", "mn": "million", "million": "million", "b": "billion",
    "bn": "billion", "billion": "billion", "tn": "trillion", "trillion": "trillion", "K": "thousand",
    "M": "million", "B": "billion", "T": "trillion",
}  # fmt: skip

# A magnitude written on a plain number ("10k followers"); "m" alone would be meters.
COUNTED = {
    "k": "thousand", "K": "thousand", "M": "million", "mn": "million", "bn": "billion", "tn": "trillion",
    "million": "million", "billion": "billion", "trillion": "trillion", "thousand": "thousand",
}  # fmt: skip

# Said in full; the point goes, unless `ENDS` holds the word and a new sentence follows.
ABBREVIATIONS = {
    "Mr.": "Mister", "Mr": "Mister", "Mrs.": "Missus", "Mrs": "Missus", "Ms.": "Miz", "Ms": "Miz", "Dr.": "Doctor",
    "Dr": "Doctor", "Prof.": "Professor", "Rev.": "Reverend", "Hon.": "Honorable", "Gen.": "General",
    "Col.": "Colonel", "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant", "Gov.": "Governor",
    "Sen.": "Senator", "Rep.": "Representative", "Pres.": "President", "Jr.": "Junior", "Sr.": "Senior",
    "e.g.": "for example,", "eg.": "for example,", "i.e.": "that is,", "etc.": "et cetera", "vs.": "versus",
    "vs": "versus", "v.": "versus", "cf.": "compare", "viz.": "namely", "al.": "al", "approx.": "approximately",
    "est.": "established", "incl.": "including", "excl.": "excluding", "esp.": "especially", "max.": "maximum",
    "min.": "minimum", "dept.": "department", "Dept.": "Department", "Inc.": "Incorporated", "Ltd.": "Limited",
    "Co.": "Company", "Corp.": "Corporation", "Bros.": "Brothers", "Ave.": "Avenue", "Rd.": "Road",
    "Blvd.": "Boulevard", "Ln.": "Lane", "Hwy.": "Highway", "Apt.": "Apartment", "Mt.": "Mount", "Ft.": "Fort",
    "Univ.": "University", "govt.": "government", "tel.": "telephone", "Tel.": "Telephone", "ext.": "extension",
    "AT&T": "A-T and T", "4K": "four K", "8K": "eight K", "B2B": "B to B", "B2C": "B to C",
    "24/7": "twenty-four seven", "9/11": "nine eleven", "w/o": "without", "w/": "with", "c/o": "care of",
    "b/c": "because", "a.k.a.": "also known as",
    "aka": "also known as", "P.S.": "P-S", "Ph.D.": "P-H-D", "PhD": "P-H-D", "M.D.": "M-D", "B.C.": "B-C",
    "A.D.": "A-D", "R.S.V.P.": "R-S-V-P", "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday",
    "Wed.": "Wednesday", "Thu.": "Thursday", "Thurs.": "Thursday", "Fri.": "Friday", "Sat.": "Saturday",
    "Sun.": "Sunday", "Jan.": "January", "Feb.": "February", "Apr.": "April", "Aug.": "August",
    "Sept.": "September", "Oct.": "October", "Nov.": "November", "Dec.": "December",
}  # fmt: skip

ENDS = words(
    """
    etc. Inc. Ltd. Co. Corp. Jr. Sr. Ave. Rd. Blvd. Ph.D. M.D. B.C. A.D. al. max. min. Bros. Ln. ext.
    Mon. Tue. Wed. Thu. Fri. Sat. Sun. Hwy.
    """
)

# Said in full only before a number.
BEFORE_NUMBER = {
    "No.": "number", "no.": "number", "Nos.": "numbers", "nos.": "numbers", "p.": "page", "pp.": "pages",
    "P.": "page", "vol.": "volume", "Vol.": "Volume", "ch.": "chapter", "Ch.": "Chapter", "Fig.": "Figure",
    "fig.": "figure", "Figs.": "Figures", "Eq.": "Equation", "eq.": "equation", "Sec.": "Section",
    "sec.": "section", "Art.": "Article", "art.": "article", "c.": "circa", "ca.": "circa", "ver.": "version",
    "v": "version", "§": "section", "№": "number", "#": "number", "~": "about", "≈": "about", "±": "plus or minus",
    "<": "less than", ">": "more than", "≤": "at most", "≥": "at least", "@": "at",
}  # fmt: skip

SYMBOLS = {
    "&": " and ", "+": " plus ", "=": " equals ", "×": " times ", "÷": " divided by ", "≠": " is not ",
    "→": " to ", "⇒": " so ", "@": " at ", "%": " percent ", "°": " degrees ", "√": " square root of ",
    "∞": " infinity ", "π": " pi ", "µ": " micro ", "Ω": " ohm ", "Δ": " delta ", "α": " alpha ", "β": " beta ",
    "γ": " gamma ", "λ": " lambda ", "σ": " sigma ", "θ": " theta ", "≈": " is about ", "≤": " is at most ",
    "≥": " is at least ", "<": " is less than ", ">": " is more than ", "±": " plus or minus ", "$": " dollar ",
    "€": " euro ", "£": " pound ", "¥": " yen ",
}  # fmt: skip

# All capitals, but said as a word; every other group of capitals is spelled.
SAID_AS_WORDS = words(
    """
    NASA NATO UNICEF UNESCO OPEC AIDS ASCII RADAR SONAR LASER SCUBA PIN SIM RAM ROM GIF JPEG NAFTA FIFA
    UEFA IKEA LEGO COVID SARS SWAT POTUS SCOTUS OSHA HIPAA FEMA DARPA CERN AWOL GAP BIOS LAN WAN NASDAQ
    SAT ACT YOLO FOMO ASAP
    """
)
