"""How scripts are written out: a table of what people really write."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.engines.speech_text import clean, normalise

TABLE = """
£3.50 = three pounds and fifty pence
$1 = one dollar
$1.00 = one dollar
$0.99 = ninety-nine cents
$1,299.99 = one thousand two hundred ninety-nine dollars and ninety-nine cents
$5 million = five million dollars
$2.5bn = two point five billion dollars
€20k = twenty thousand euros
5 € = five euros
20€ = twenty euros
£1.01 = one pound and one penny
¥500 = five hundred yen
CHF 40 = forty Swiss francs
USD 25.50 = twenty-five U-S dollars and fifty cents
100 EUR = one hundred euros
-$20 = minus twenty dollars
$10–$20 = ten dollars to twenty dollars
$5.50/month = five dollars and fifty cents per month
75¢ = seventy-five cents
US$3 = three U-S dollars
1/4 = one quarter
3/4 = three quarters
1/2 cup = one half cup
2 1/2 cups = two and a half cups
½ cup = one half cup
2½ miles = two and a half miles
2/3 = two thirds
5/16 = five sixteenths
50/50 = fifty fifty
24/7 = twenty-four seven
9/11 = nine eleven
0 = zero
7 = seven
-10 = minus ten
42 = forty-two
101 = one hundred one
999 = nine hundred ninety-nine
1,000 = one thousand
12,345 = twelve thousand three hundred forty-five
1,234,567 = one million two hundred thirty-four thousand five hundred sixty-seven
3.14 = three point one four
0.5 = zero point five
.5 = point five
1.05 = one point zero five
10.0 = ten point zero
007 = zero zero seven
100% = one hundred percent
12.5% = twelve point five percent
10-20% = ten to twenty percent
10–20 people = ten to twenty people
3-2 = three to two
1st = first
2nd = second
3rd = third
11th = eleventh
21st century = twenty-first century
113th = one hundred thirteenth
20th = twentieth
1.2.3 = one point two point three
v2.0 = version two point zero
192.168.0.1 = one nine two dot one six eight dot zero dot one
in 1999 = in nineteen ninety-nine
in 2026 = in twenty twenty-six
in 2005 = in two thousand five
in 1800 = in eighteen hundred
in 1905 = in nineteen oh five
1990s = nineteen nineties
the '90s = the nineties
the 80s = the eighties
2000s = two thousands
2019-2023 = twenty nineteen to twenty twenty-three
2026-11-24 = November twenty-fourth, twenty twenty-six
11/24/2026 = November twenty-fourth, twenty twenty-six
24/11/2026 = November twenty-fourth, twenty twenty-six
3/4/2026 = March fourth, twenty twenty-six
24.11.2026 = November twenty-fourth, twenty twenty-six
12/25/99 = December twenty-fifth, nineteen ninety-nine
Nov. 24, 2026 = November twenty-fourth, twenty twenty-six
November 24 = November twenty-fourth
Nov 24th = November twenty-fourth
24 November 2026 = the twenty-fourth of November twenty twenty-six
the 4th of July = the fourth of July
May 2026 = May twenty twenty-six
July 4, 1776 = July fourth, seventeen seventy-six
16–18 March = the sixteenth to eighteenth of March
Sept. 5 = September fifth
3:30 pm = three thirty P-M
3:30 = three thirty
9:05 = nine oh five
12:00 = twelve o'clock
15:00 = fifteen hundred
10:15:30 = ten fifteen and thirty seconds
10am = ten A-M
5 p.m. = five P-M.
at 5 p.m. we left = at five P-M we left
at 5 p.m. Then we left = at five P-M. Then we left
7:00–9:00 pm = seven o'clock to nine P-M
5 km = five kilometers
1 km = one kilometer
0.5 km = zero point five kilometers
10 kg = ten kilograms
60 mph = sixty miles per hour
100 km/h = one hundred kilometers per hour
-5°C = minus five degrees Celsius
72 °F = seventy-two degrees Fahrenheit
90° = ninety degrees
3 GB = three gigabytes
2.4 GHz = two point four gigahertz
500 ml = five hundred milliliters
20 m² = twenty square meters
6 ft = six feet
6'2" = six feet two inches
15" = fifteen inches
250 g = two hundred fifty grams
30 min = thirty minutes
5 hrs = five hours
100 Mbps = one hundred megabits per second
5-kg bag = five kilogram bag
a 10-mile run = a ten-mile run
10x = ten times
5k = five thousand
3M users = three million users
1.5bn = one point five billion
5 in the morning = five in the morning
1080p = ten eighty P
+1 (555) 123-4567 = plus one, five five five, one two three, four five six seven
(555) 123-4567 = five five five, one two three, four five six seven
555-123-4567 = five five five, one two three, four five six seven
555-0199 = five five five, zero one nine nine
+44 20 7946 0958 = plus four four, two zero, seven nine four six, zero nine five eight
4111 1111 1111 1111 = four one one one, one one one one, one one one one, one one one one
978-3-16-148410-0 = nine seven eight, three, one six, one four eight four one zero, zero
https://www.example.com/path?x=1 = example dot com slash path
http://example.org = example dot org
www.example.com = example dot com
See example.com. = See example dot com.
my-site.io/a_b = my dash site dot io slash a underscore b
jane.doe@example.com = jane dot doe at example dot com
info@my-shop.de = info at my dash shop dot de
Dr. Smith = Doctor Smith
Mr. and Mrs. Jones = Mister and Missus Jones
Ms. Lee = Miz Lee
Prof. Chen = Professor Chen
St. Mary's St. = Saint Mary's Street
Main St. is long = Main Street is long
e.g. this = for example, this
i.e. that = that is, that
cats, dogs, etc. = cats, dogs, et cetera.
red vs. blue = red versus blue
approx. ten = approximately ten
No. 5 = number five
p. 12 = page twelve
pp. 12-15 = pages twelve to fifteen
Fig. 3 = Figure three
Vol. 2 = Volume two
#1 = number one
§ 5 = section five
~50 = about fifty
<10 = less than ten
≥ 3 = at least three
Acme Inc. is here = Acme Incorporated is here
Acme Corp. = Acme Corporation.
Ph.D. student = P-H-D student
U.S. policy = U-S policy
the U.S. = the U-S.
5 a.m. = five A-M.
w/ milk = with milk
w/o sugar = without sugar
R&D = R and D
Tom & Jerry = Tom and Jerry
AT&T = A-T and T
x = 5 + 3 = x equals five plus three
he/she = he slash she
and/or = and or
Henry VIII = Henry the eighth
Louis XIV = Louis the fourteenth
Elizabeth II reigned = Elizabeth the second reigned
James I know = James I know
World War II = World War two
Chapter IV = Chapter four
Part I = Part one
Act III, Scene II = Act three, Scene two
Super Bowl LVI = Super Bowl fifty-six
I am = I am
NASA = NASA
the FBI = the F-B-I
HTML5 = H-T-M-L five
COVID-19 = COVID-nineteen
MP3 = M-P three
H2O = H two O
CO2 = C-O two
3D = three D
4K video = four K video
B2B = B to B
Q3 = Q three
CEOs = C-E-O's
the CEO's = the C-E-O's
iPhone 15 = iPhone fifteen
Wi-Fi = Wi-Fi
the USA and UK = the U-S-A and U-K
READ THIS NOW PLEASE = read this now please
BUY one = BUY one
#MondayMood = hashtag Monday Mood
@jane_doe = at jane doe
**bold** and _it_ = bold and it
# Heading = Heading
[text](https://a.com/b) = text
`code` = 'code'
- item = item
1. item = item
> quoted = quoted
<b>bold</b> = bold
wait... what = wait… what
this -- that = this — that
What?! = What!
100 °C = one hundred degrees Celsius
3 × 4 = three times four
2 + 2 = two plus two
π = pi
a → b = a to b
café = café
it’s = it's
“quoted” = “quoted”
10,000 BC = ten thousand B-C
1,5 = one,five
½ = one half
$100 = one hundred dollars
$1,000,000 = one million dollars
$3.5M = three point five million dollars
£20bn = twenty billion pounds
€1 = one euro
€9.99 = nine euros and ninety-nine cents
¥12,000 = twelve thousand yen
₹500 = five hundred rupees
GBP 5 = five pounds
$0.05 = five cents
$15/hr = fifteen dollars per hour
£30 per person = thirty pounds per person
1/3 = one third
7/8 = seven eighths
3/10 = three tenths
1 3/4 inches = one and three quarters inches
¾ cup = three quarters cup
11 = eleven
12 = twelve
15 = fifteen
20 = twenty
21 = twenty-one
90 = ninety
100 = one hundred
110 = one hundred ten
3,000 = three thousand
10,001 = ten thousand one
100,000 = one hundred thousand
2.75 = two point seven five
-3.2 = minus three point two
+5 = plus five
0.001 = zero point zero zero one
99.9% = ninety-nine point nine percent
0.5% = zero point five percent
5th = fifth
8th = eighth
12th = twelfth
22nd = twenty-second
33rd = thirty-third
40th = fortieth
100th = one hundredth
101st = one hundred first
year 2010 = year twenty ten
in 2000 = in two thousand
in 1066 = in one thousand sixty-six
1850 = eighteen fifty
1960s = nineteen sixties
1900s = nineteen hundreds
1914–1918 = nineteen fourteen to nineteen eighteen
2026-01-01 = January first, twenty twenty-six
1999-12-31 = December thirty-first, nineteen ninety-nine
1/2/2024 = January second, twenty twenty-four
Jan. 1 = January first
February 29, 2024 = February twenty-ninth, twenty twenty-four
Dec 25 = December twenty-fifth
3rd of May = the third of May
1 May = the first of May
March 3–5 = March third to fifth
Aug. 2025 = August twenty twenty-five
8:00 = eight o'clock
8:01 am = eight oh one A-M
11:59 PM = eleven fifty-nine P-M
0:30 = zero thirty
23:45 = twenty-three forty-five
6pm = six P-M
10 a.m. tomorrow = ten A-M tomorrow
9am–5pm = nine A-M to five P-M
3 cm = three centimeters
1 m = one meter
2 mm = two millimeters
1.5 mi = one point five miles
1 lb = one pound
12 oz = twelve ounces
8 fl oz = eight fluid ounces
2 tbsp = two tablespoons
1 tsp = one teaspoon
37.5 °C = thirty-seven point five degrees Celsius
350°F = three hundred fifty degrees Fahrenheit
16 GB RAM = sixteen gigabytes RAM
1 TB = one terabyte
60 fps = sixty frames per second
220 V = two hundred twenty volts
100 W = one hundred watts
5 kWh = five kilowatt hours
10 m/s = ten meters per second
120 bpm = one hundred twenty bpm
3 ha = three hectares
1000 sq ft = one thousand square feet
2x = two times
45 s = forty-five seconds
200 ms = two hundred milliseconds
90 dB = ninety decibels
800-555-0199 = eight zero zero, five five five, zero one nine nine
1-800-555-0199 = one, eight zero zero, five five five, zero one nine nine
ftp.example.net = ftp dot example dot net
a.b-c@mail.example.org = a dot b dash c at mail dot example dot org
Capt. Jack = Captain Jack
Gen. Lee = General Lee
Sen. Brown = Senator Brown
Lt. Dan = Lieutenant Dan
John Smith Jr. = John Smith Junior.
Mt. Fuji = Mount Fuji
dept. of health = department of health
et al. = et al.
max. 5 = maximum five
min. age = minimum age
ext. 12 = extension twelve
c/o John = care of John
Nos. 1 and 2 = numbers one and two
ch. 3 = chapter three
Sec. 4 = Section four
M.D. = M-D.
a.k.a. Bob = also known as Bob
John Paul II = John Paul the second
Richard III = Richard the third
Apollo XI = Apollo eleven
Volume IX = Volume nine
NATO and the EU = NATO and the E-U
an API = an A-P-I
PDFs = P-D-F's
the CPU's fan = the C-P-U's fan
GPT-4 = G-P-T-four
F-16 = F-sixteen
A4 paper = A four paper
5G = five G
USB-C = U-S-B-C
WW2 = W-W two
~~gone~~ = gone
![alt](a.png) = alt
***both*** = both
2 < 3 = two less than three
10 ÷ 2 = ten divided by two
± 5 = plus or minus five
6.45am = six forty-five A-M
at 9.10 p.m. today = at nine ten P-M today
9.10 seconds = nine point one zero seconds
noon–2pm = noon to two P-M
2026/11/24 = November twenty-fourth, twenty twenty-six
6ft 2in tall = six feet two inches tall
a 1:1 meeting = a one to one meeting
16:9 = sixteen to nine
16:09 = sixteen oh nine
10^6 = ten to the power of six
CO₂ = C-O two
–5 °C = minus five degrees Celsius
1.000.000 = one million
192.168.0.1 = one nine two dot one six eight dot zero dot one
1-800-FLOWERS = one, eight hundred, flowers
020 7946 0018 = zero two zero, seven nine four six, zero zero one eight
07700 900123 = zero seven seven zero zero, nine zero zero one two three
1,5 kg = one point five kilograms
2nd-3rd June = second to the third of June
10%–20% = ten percent to twenty percent
e.g., this = for example, this
Mon-Fri = Monday to Friday
Jan–Mar 2026 = January to March twenty twenty-six
Fri 13 Nov = Friday the thirteenth of November
a 50-50 chance = a fifty fifty chance
Prof Nguyen = Professor Nguyen
on Elm St since then = on Elm Street since then
St Mary's = Saint Mary's
C# = C sharp
C++ = C plus plus
""".strip().split("\n")
CASES = [tuple(line.rsplit(" = ", 1)) for line in TABLE]
BRITISH = [
    ("3/4/2026", "the third of April twenty twenty-six"),
    ("2026-11-24", "the twenty-fourth of November twenty twenty-six"),
    ("105", "one hundred and five"),
    ("1,005", "one thousand and five"),
    ("£1,250", "one thousand two hundred and fifty pounds"),
]


def written_out(text: str, british: bool = False) -> str:
    return normalise(clean(text, lambda c: c.isalpha() or c.isdigit()).text, british)


@pytest.mark.parametrize(("text", "spoken"), CASES, ids=[case[0] for case in CASES])
def test_the_table(text: str, spoken: str) -> None:
    assert written_out(text) == spoken


@pytest.mark.parametrize(("text", "spoken"), BRITISH)
def test_the_british_way(text: str, spoken: str) -> None:
    assert written_out(text, british=True) == spoken


def test_the_table_is_long() -> None:
    assert len({case[0] for case in CASES}) >= 300


def test_what_cannot_be_spoken_is_dropped_and_told() -> None:
    cleaned = clean("Hello 😀 wörld\x00\x07 ☃ \ud83d!", lambda c: "LATIN" in unicodedata.name(c, ""))
    assert re.sub(" +", " ", cleaned.text) == "Hello wörld !"
    assert set(cleaned.dropped) >= {"😀", "☃"}
    assert "\x00" not in cleaned.dropped


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_comes_out_without_digits_or_an_error(text: str) -> None:
    spoken = written_out(text)
    assert not re.search(r"[0-9]", spoken)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", spoken)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.,:/-–$£€%'\" apmkKgst°()+#", max_size=60))
def test_any_mess_of_numbers_is_read(text: str) -> None:
    assert not re.search(r"[0-9]", written_out(text))


@pytest.mark.parametrize(
    "unit", ["a", "1", "1,", "1.", "A.", "[", "(1", "x@", "http://", "**", "I ", "1/", "1-", "$1", "é"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        written_out(unit * (length // len(unit)))
        return time.process_time() - started

    seconds(1000)
    small, large = min(seconds(5_000) for _ in range(2)), seconds(40_000)
    assert large < 25 * small + 0.5
