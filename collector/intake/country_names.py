"""The countries of ISO 3166-1: alpha-2, alpha-3, and the names people type for them.

A name stands in English, Dutch, French, German and the country's own language (the spellings are those of
Unicode CLDR, with the former and everyday names added). A name that two countries share, such as "Congo" or
"Korea", is in no row: an ambiguous country is dropped, never guessed.
"""

from typing import Final

COUNTRY_ROWS: Final = """
AD AND Andorra|Andorre
AE ARE United Arab Emirates|Verenigde Arabische Emiraten|Émirats arabes unis|Vereinigte Arabische Emirate
AE ARE الإمارات العربية المتحدة|UAE|Emirates
AF AFG Afghanistan|افغانستان
AG ATG Antigua and Barbuda|Antigua en Barbuda|Antigua-et-Barbuda|Antigua und Barbuda
AI AIA Anguilla
AL ALB Albania|Albanië|Albanien|Shqipëri
AM ARM Armenia|Armenië|Armenien|Հայաստան
AO AGO Angola
AQ ATA Antarctica|Antarctique|Antarktis
AR ARG Argentina|Argentinië|Argentine|Argentinien
AS ASM American Samoa|Amerikaans-Samoa|Samoa américaines|Amerikanisch-Samoa
AT AUT Austria|Oostenrijk|Autriche|Österreich
AU AUS Australia|Australië|Australien
AW ABW Aruba
AX ALA Åland Islands|Åland|Îles Åland|Ålandinseln
AZ AZE Azerbaijan|Azerbeidzjan|Azerbaïdjan|Aserbaidschan|Azərbaycan|Азәрбајҹан
BA BIH Bosnia and Herzegovina|Bosnië en Herzegovina|Bosnie-Herzégovine|Bosnien und Herzegowina
BA BIH Босна и Херцеговина|Bosna i Hercegovina|Bosnia
BB BRB Barbados|Barbade
BD BGD Bangladesh|Bangladesch|বাংলাদেশ
BE BEL Belgium|België|Belgique|Belgien|Belgio|Bélgica
BF BFA Burkina Faso
BG BGR Bulgaria|Bulgarije|Bulgarie|Bulgarien|България
BH BHR Bahrain|Bahrein|البحرين
BI BDI Burundi|Uburundi
BJ BEN Benin
BL BLM Saint-Barthélemy|St. Barthélemy
BM BMU Bermuda|Bermudes
BN BRN Brunei|Brunei Darussalam
BO BOL Bolivia|Bolivie|Bolivien|Plurinational State of Bolivia
BQ BES Caribbean Netherlands|Caribisch Nederland|Pays-Bas caribéens|Karibische Niederlande
BR BRA Brazil|Brazilië|Brésil|Brasilien|Brasil
BS BHS Bahamas|The Bahamas
BT BTN Bhutan|Bhoutan|འབྲུག
BV BVT Bouvet Island|Bouveteiland|Île Bouvet|Bouvetinsel
BW BWA Botswana|Botsuana
BY BLR Belarus|Biélorussie|Беларусь|Wit-Rusland
BZ BLZ Belize
CA CAN Canada|Kanada
CC CCK Cocos Islands|Keeling Islands|Cocoseilanden|Îles Cocos|Kokosinseln
CD COD Democratic Republic of the Congo|Congo-Kinshasa|DR Congo|DRC|Kongo-Kinshasa
CD COD République démocratique du Congo
CF CAF Central African Republic|Centraal-Afrikaanse Republiek|République centrafricaine
CG COG Republic of the Congo|Congo-Brazzaville|Kongo-Brazzaville|République du Congo
CH CHE Switzerland|Zwitserland|Suisse|Schweiz|Svizzera|Svizra|Suiza
CI CIV Côte d'Ivoire|Ivoorkust|Ivory Coast|Elfenbeinküste
CK COK Cook Islands|Cookeilanden|Îles Cook|Cookinseln
CL CHL Chile|Chili
CM CMR Cameroon|Kameroen|Cameroun|Kamerun
CN CHN China|Chine|中国|People's Republic of China
CO COL Colombia|Colombie|Kolumbien
CR CRI Costa Rica
CU CUB Cuba|Kuba
CV CPV Cape Verde|Kaapverdië|Cap-Vert|Cabo Verde
CW CUW Curaçao
CX CXR Christmas Island|Christmaseiland|Île Christmas|Weihnachtsinsel
CY CYP Cyprus|Chypre|Zypern|Κύπρος|Kibris
CZ CZE Czechia|Czech Republic|Tsjechië|Tchéquie|République tchèque|Tschechien|Česko
DE DEU Germany|Duitsland|Allemagne|Deutschland|Bundesrepublik Deutschland
DJ DJI Djibouti|Dschibuti|جيبوتي
DK DNK Denmark|Denemarken|Danemark|Danmark
DM DMA Dominica|Dominique
DO DOM Dominican Republic|Dominicaanse Republiek|République dominicaine|Dominikanische Republik
DO DOM República Dominicana
DZ DZA Algeria|Algerije|Algérie|Algerien|الجزائر
EC ECU Ecuador|Équateur
EE EST Estonia|Estland|Estonie|Eesti
EG EGY Egypt|Egypte|Ägypten|مصر
EH ESH Western Sahara|Westelijke Sahara|Sahara occidental|Westsahara|الصحراء الغربية
ER ERI Eritrea|Érythrée|إريتريا
ES ESP Spain|Spanje|Espagne|Spanien|España|Spagna
ET ETH Ethiopia|Ethiopië|Äthiopien|ኢትዮጵያ
FI FIN Finland|Finlande|Finnland|Suomi
FJ FJI Fiji|Fidji|Fidschi
FK FLK Falkland Islands|Falklandeilanden|Îles Malouines|Falklandinseln|Malvinas
FM FSM Micronesia|Micronésie|Mikronesien|Federated States of Micronesia
FO FRO Faroe Islands|Faeröer|Îles Féroé|Färöer|Føroyar
FR FRA France|Frankrijk|Frankreich|Francia
GA GAB Gabon|Gabun
GB GBR United Kingdom|Great Britain|England|Scotland|Wales|Northern Ireland|Verenigd Koninkrijk|Royaume-Uni
GB GBR Vereinigtes Königreich
GD GRD Grenada|Grenade
GE GEO Georgia|Georgië|Georgien|საქართველო
GF GUF French Guiana|Frans-Guyana|Guyane française|Französisch-Guayana
GG GGY Guernsey|Guernesey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Greenland|Groenland|Grönland|Kalaallit Nunaat
GM GMB Gambia|Gambie|The Gambia
GN GIN Guinea|Guinee
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea|Equatoriaal-Guinea|Guinée équatoriale|Äquatorialguinea|Guinea Ecuatorial
GQ GNQ Guiné Equatorial
GR GRC Greece|Griekenland|Grèce|Griechenland|Ελλάδα
GS SGS South Georgia and South Sandwich Islands|South Georgia and the South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau|Guinee-Bissau|Guiné-Bissau
GY GUY Guyana
HK HKG Hong Kong|香港|Hong Kong SAR|Hong Kong SAR China
HM HMD Heard and McDonald Islands|Heard Island and McDonald Islands
HN HND Honduras
HR HRV Croatia|Kroatië|Croatie|Kroatien|Hrvatska
HT HTI Haiti
HU HUN Hungary|Hongarije|Hongrie|Ungarn|Magyarország
ID IDN Indonesia|Indonesië|Indonesien
IE IRL Ireland|Ierland|Irlande|Irland|Éire|Republic of Ireland
IL ISR Israel|ישראל|إسرائيل
IM IMN Isle of Man|Île de Man|Ellan Vannin
IN IND India|Inde|Indien|भारत
IO IOT British Indian Ocean Territory
IQ IRQ Iraq|Irak|العراق
IR IRN Iran|ایران|Islamic Republic of Iran
IS ISL Iceland|IJsland|Islande|Island
IT ITA Italy|Italië|Italien|Italia
JE JEY Jersey
JM JAM Jamaica|Jamaïque|Jamaika
JO JOR Jordan|Jordanië|Jordanien|الأردن
JP JPN Japan|Japon|日本|Nippon
KE KEN Kenya|Kenia
KG KGZ Kyrgyzstan|Kirgizië|Kirghizstan|Kirgisistan|Кыргызстан|Киргизия
KH KHM Cambodia|Cambodja|Cambodge|Kambodscha|កម្ពុជា
KI KIR Kiribati
KM COM Comoros|Comoren|Comores|Komoren|جزر القمر
KN KNA St. Kitts and Nevis|Saint Kitts en Nevis|Saint-Christophe-et-Niévès|St. Kitts und Nevis
KN KNA Saint Kitts and Nevis
KP PRK North Korea|Noord-Korea|Corée du Nord|Nordkorea|북한
KR KOR South Korea|Republic of Korea|Zuid-Korea|Corée du Sud|Südkorea|대한민국|한국
KW KWT Kuwait|Koeweit|Koweït|الكويت
KY CYM Cayman Islands|Kaaimaneilanden|Îles Caïmans|Kaimaninseln
KZ KAZ Kazakhstan|Kazachstan|Kasachstan|Казахстан|Қазақстан
LA LAO Laos|ລາວ|Lao People's Democratic Republic
LB LBN Lebanon|Libanon|Liban|لبنان
LC LCA St. Lucia|Saint Lucia|Sainte-Lucie
LI LIE Liechtenstein
LK LKA Sri Lanka|இலங்கை
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania|Litouwen|Lituanie|Litauen|Lietuva
LU LUX Luxembourg|Luxemburg|Lëtzebuerg|Lussemburgo
LV LVA Latvia|Letland|Lettonie|Lettland|Latvija
LY LBY Libya|Libië|Libye|Libyen|ليبيا
MA MAR Morocco|Marokko|Maroc|المغرب|Meṛṛuk
MC MCO Monaco
MD MDA Moldova|Moldavië|Republik Moldau|Republica Moldova|Republic of Moldova|Moldau
ME MNE Montenegro|Crna Gora
MF MAF Saint-Martin (French part)|Saint-Martin (partie française)
MG MDG Madagascar|Madagaskar|Madagasikara
MH MHL Marshall Islands|Marshalleilanden|Îles Marshall|Marshallinseln
MK MKD North Macedonia|Noord-Macedonië|Macédoine du Nord|Nordmazedonien|Северна Македонија|Macedonia
ML MLI Mali
MM MMR Myanmar|Burma|Birma|Birmanie|Myanmar (Burma)
MN MNG Mongolia|Mongolië|Mongolei|Монгол
MO MAC Macao|Macau|澳門
MP MNP Northern Mariana Islands|Noordelijke Marianen|Îles Mariannes du Nord|Nördliche Marianen
MQ MTQ Martinique
MR MRT Mauritania|Mauritanië|Mauretanien|موريتانيا
MS MSR Montserrat
MT MLT Malta|Malte
MU MUS Mauritius|Maurice
MV MDV Maldives|Maldiven|Malediven|ދިވެހި ރާއްޖެ
MW MWI Malawi
MX MEX Mexico|Mexique|Mexiko
MY MYS Malaysia|Maleisië|Malaisie
MZ MOZ Mozambique|Mosambik|Moçambique
NA NAM Namibia|Namibië
NC NCL New Caledonia|Nieuw-Caledonië|Nouvelle-Calédonie|Neukaledonien
NE NER Niger
NF NFK Norfolk Island|Norfolk|Île Norfolk|Norfolkinsel
NG NGA Nigeria|Nàìjíríà
NI NIC Nicaragua
NL NLD Netherlands|Nederland|Pays-Bas|Niederlande|The Netherlands|Holland
NO NOR Norway|Noorwegen|Norvège|Norwegen|Norge|Noreg
NP NPL Nepal|नेपाल
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand|Nieuw-Zeeland|Nouvelle-Zélande|Neuseeland|Aotearoa
OM OMN Oman|عُمان
PA PAN Panama
PE PER Peru|Pérou
PF PYF French Polynesia|Frans-Polynesië|Polynésie française|Französisch-Polynesien
PG PNG Papua New Guinea|Papoea-Nieuw-Guinea|Papouasie-Nouvelle-Guinée|Papua-Neuguinea|Papua Niugini
PH PHL Philippines|Filipijnen|Philippinen|Pilipinas
PK PAK Pakistan|پاکستان
PL POL Poland|Polen|Pologne|Polska|Polonia
PM SPM St. Pierre and Miquelon|Saint-Pierre en Miquelon|Saint-Pierre-et-Miquelon|St. Pierre und Miquelon
PM SPM Saint Pierre and Miquelon
PN PCN Pitcairn Islands|Pitcairneilanden|Îles Pitcairn|Pitcairninseln
PR PRI Puerto Rico|Porto Rico
PS PSE Palestine|Palestina|Palästina|State of Palestine|Palestinian Territories|فلسطين
PT PRT Portugal
PW PLW Palau|Palaos
PY PRY Paraguay|Paraguai
QA QAT Qatar|Katar|قطر
RE REU Réunion|La Réunion
RO ROU Romania|Roemenië|Roumanie|Rumänien
RS SRB Serbia|Servië|Serbie|Serbien|Srbija|Србија
RU RUS Russia|Rusland|Russie|Russland|Россия|Russian Federation
RW RWA Rwanda|Ruanda|U Rwanda
SA SAU Saudi Arabia|Saoedi-Arabië|Arabie saoudite|Saudi-Arabien|المملكة العربية السعودية
SB SLB Solomon Islands|Salomonseilanden|Îles Salomon|Salomonen
SC SYC Seychelles|Seychellen
SD SDN Sudan|Soedan|Soudan|السودان
SE SWE Sweden|Zweden|Suède|Schweden|Sverige
SG SGP Singapore|Singapour|Singapur|新加坡|Singapura
SH SHN St. Helena|Sint-Helena|Sainte-Hélène|Saint Helena
SI SVN Slovenia|Slovenië|Slowenien|Slovenija
SJ SJM Svalbard and Jan Mayen|Spitsbergen en Jan Mayen|Svalbard et Jan Mayen|Spitzbergen und Jan Mayen
SJ SJM Svalbard og Jan Mayen
SK SVK Slovakia|Slowakije|Slovaquie|Slowakei|Slovensko
SL SLE Sierra Leone
SM SMR San Marino|Saint-Marin
SN SEN Senegal
SO SOM Somalia|Somalië|Soomaaliya|الصومال
SR SUR Suriname
SS SSD South Sudan|Zuid-Soedan|Soudan du Sud|Südsudan
ST STP São Tomé and Príncipe|Sao Tomé en Principe|Sao Tomé-et-Principe|São Tomé und Príncipe
ST STP São Tomé e Príncipe
SV SLV El Salvador|Salvador
SX SXM Sint Maarten
SY SYR Syria|Syrië|Syrien|سوريا|Syrian Arab Republic
SZ SWZ Eswatini|Swaziland
TC TCA Turks and Caicos Islands|Turks- en Caicoseilanden|Îles Turques-et-Caïques|Turks- und Caicosinseln
TD TCD Chad|Tsjaad|Tchad|Tschad|تشاد
TF ATF French Southern Territories|Terres australes françaises
TG TGO Togo
TH THA Thailand|Thaïlande|ไทย
TJ TJK Tajikistan|Tadzjikistan|Tadjikistan|Tadschikistan|Тоҷикистон
TK TKL Tokelau
TL TLS Timor-Leste|Oost-Timor|Timor oriental|East Timor
TM TKM Turkmenistan
TN TUN Tunisia|Tunesië|Tunisie|Tunesien|تونس
TO TON Tonga
TR TUR Türkiye|Turkije|Turquie|Türkei|Turkey
TT TTO Trinidad and Tobago|Trinidad en Tobago|Trinité-et-Tobago|Trinidad und Tobago
TV TUV Tuvalu
TW TWN Taiwan|台灣|臺灣
TZ TZA Tanzania|Tanzanie|Tansania|United Republic of Tanzania
UA UKR Ukraine|Oekraïne|Україна
UG UGA Uganda|Oeganda|Ouganda
UM UMI U.S. Outlying Islands|United States Minor Outlying Islands
US USA United States|United States of America|Verenigde Staten|États-Unis|Vereinigte Staaten|Estados Unidos
UY URY Uruguay
UZ UZB Uzbekistan|Oezbekistan|Ouzbékistan|Usbekistan|O'zbekiston
VA VAT Vatican City|Holy See|Vatican|Vaticaanstad|Cité du Vatican|Vatikanstadt|Città del Vaticano
VC VCT St. Vincent and Grenadines|Saint Vincent en de Grenadines|Saint-Vincent-et-les Grenadines
VC VCT St. Vincent und die Grenadinen|Saint Vincent and the Grenadines
VE VEN Venezuela|Bolivarian Republic of Venezuela
VG VGB British Virgin Islands|Britse Maagdeneilanden|Îles Vierges britanniques|Britische Jungferninseln
VI VIR U.S. Virgin Islands|Amerikaanse Maagdeneilanden|Îles Vierges des États-Unis
VI VIR Amerikanische Jungferninseln
VN VNM Vietnam
VU VUT Vanuatu
WF WLF Wallis and Futuna|Wallis en Futuna|Wallis-et-Futuna|Wallis und Futuna
WS WSM Samoa
YE YEM Yemen|Jemen|اليمن
YT MYT Mayotte
ZA ZAF South Africa|Zuid-Afrika|Afrique du Sud|Südafrika|Suid-Afrika
ZM ZMB Zambia|Zambie|Sambia
ZW ZWE Zimbabwe|Simbabwe
"""
