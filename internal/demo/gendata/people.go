package main

// company is one account.
type company struct{ name, domain, country, city string }

// companies are all invented.
var companies = []company{
	{"Alder & Finch Bakery", "alderfinch.example", "uk", "Manchester"},
	{"Harbour Light Shipping", "harbourlight.example", "uk", "Bristol"},
	{"Brückner Feinmechanik", "brueckner-feinmechanik.example", "de", "München"},
	{"Café Rivière Torréfaction", "cafe-riviere.example", "fr", "Lyon"},
	{"Cedar Hollow Dairy", "cedarhollow.example", "us", "Madison, Wisconsin"},
	{"Östersjö Segelmakare", "ostersjosegel.example", "se", "Malmö"},
	{"Bluegum Outback Tours", "bluegumtours.example", "au", "Alice Springs"},
	{"Copper Whistle Brewing", "copperwhistle.example", "us", "Duluth, Minnesota"},
	{"Dornfelder Weinkontor", "dornfelder-kontor.example", "de", "Köln"},
	{"Éditions du Pont Neuf-Moulin", "editions-pnm.example", "fr", "Toulouse"},
	{"Érable & Fils", "erable-et-fils.example", "ca", "Montréal"},
	{"Fennel Street Pharmacy", "fennelstreet.example", "uk", "Leeds"},
	{"Lodjur Friluftsverkstad", "lodjurverkstad.example", "se", "Göteborg"},
	{"Glühwurm Lichttechnik", "gluehwurm.example", "de", "Hamburg"},
	{"Granite Peak Robotics", "granitepeak.example", "us", "Boise, Idaho"},
	{"Hedgerow Seeds", "hedgerowseeds.example", "uk", "Cardiff"},
	{"Inkwell & Daughters Printing", "inkwelldaughters.example", "uk", "Edinburgh"},
	{"Jardins de l'Étoile", "jardins-etoile.example", "fr", "Nantes"},
	{"Juniper Point Surveyors", "juniperpoint.example", "us", "Flagstaff, Arizona"},
	{"Käthe König Kindermöbel", "koenig-moebel.example", "de", "Frankfurt am Main"},
	{"Kestrel Aerial Mapping", "kestrelmapping.example", "au", "Brisbane"},
	{"Lantern Bay Fisheries", "lanternbay.example", "ca", "Halifax"},
	{"Lindqvist Träbyggen", "lindqvist-tra.example", "se", "Stockholm"},
	{"Maison Lefèvre-Noël", "lefevre-noel.example", "fr", "Lille"},
	{"Meridian Tile Works", "meridiantile.example", "us", "Santa Fe, New Mexico"},
	{"Moorland Wool Co-operative", "moorlandwool.example", "uk", "Sheffield"},
	{"Müßiggang Reisen", "muessiggang.example", "de", "Berlin"},
	{"Northern Heron Insurance", "northernheron.example", "ca", "Winnipeg"},
	{"Old Quarry Stonemasons", "oldquarry.example", "uk", "Bristol"},
	{"Palisade Data Centers", "palisadedata.example", "us", "Reno, Nevada"},
	{"Kranich Papier Großhandel", "kranich-papier.example", "de", "Hamburg"},
	{"Quillon Fencing Academy", "quillonfencing.example", "us", "Providence, Rhode Island"},
	{"Riverbend Veterinary Group", "riverbendvets.example", "au", "Melbourne"},
	{"Savonnerie Bellegarde", "savonnerie-bellegarde.example", "fr", "Marseille"},
	{"Süßholz & Sohn", "suessholz.example", "de", "Köln"},
	{"Tamarack Bicycle Works", "tamarackbikes.example", "ca", "Victoria"},
	{"Thistledown Care Homes", "thistledown.example", "uk", "London"},
	{"Umbra Glasbruk", "umbraglas.example", "se", "Malmö"},
	{"Wattle Creek Solar", "wattlecreek.example", "au", "Adelaide"},
	{"Zephyr Kite Company", "zephyrkites.example", "us", "Lincoln City, Oregon"},
}

// alder are the people that the guides speak of: one for each standing that a contact can have. Nora never signs in, and
// Dave is there to be deactivated. Petra advises two companies.
var alder = []person{
	{"Olivia", "Owner", "olivia.owner", "+44 161 496 0101", "Account owner", "", "Primary business contact"},
	{"Adam", "Admin", "adam.admin", "+44 161 496 0102", "Account administrator", "", "Primary technical contact"},
	{"Carla", "Contacts", "carla.contacts", "+44 161 496 0103", "", "Contact management", "Account contact"},
	{"Bill", "Billing", "bill.billing", "+44 161 496 0104", "Billing only", "", "Primary billing contact"},
	{"Sam", "Support", "sam.support", "+44 161 496 0105", "Support only", "", "Support contact"},
	{"Sue", "Support", "sue.support", "+44 161 496 0106", "", "Support", "Support contact"},
	{"Casey", "Cases", "casey.cases", "+44 161 496 0107", "", "Case management", "Support contact"},
	{"Rita", "Renewals", "rita.renewals", "+44 161 496 0108", "", "Renew contracts", "Primary renewal contact"},
	{"Uma", "Upgrades", "uma.upgrades", "+44 161 496 0109", "", "Upgrade contracts", "Account contact"},
	{"Liam", "Licenses", "liam.licenses", "+44 161 496 0110", "", "License management", "Support contact"},
	{"Bea", "Both", "bea.both", "+44 161 496 0111", "Billing and support", "", "Account contact; Support contact"},
	{"Connor", "Contact", "connor.contact", "+44 161 496 0112", "", "", "Account contact"},
	{"Nora", "Nologin", "nora.nologin", "", "", "Billing; Support", "Account contact"},
	{"Dave", "Deactivated", "dave.deactivated", "+44 161 496 0113", "", "Billing; Case management", ""},
	{"Petra", "Brückner-Ó Sé", "petra@two-hats-advisers.example", "+44 161 496 0114", "Billing only", "", ""},
}

var harbour = []person{
	{"Owen", "Owner", "owen.owner", "+44 117 496 0201", "Account owner", "", "Primary business contact"},
	{"Ada", "Admin", "ada.admin", "+44 117 496 0202", "", "Admin", "Primary technical contact"},
	{"Ben", "Billing", "ben.billing", "+44 117 496 0203", "", "Billing", "Primary billing contact; Primary renewal contact"},
	{"Stella", "Support", "stella.support", "+44 117 496 0204", "", "Support", "Support contact"},
	{"Petra", "Brückner-Ó Sé", "petra@two-hats-advisers.example", "+44 161 496 0114", "", "Support; Renew contracts", "Account contact"},
}

var (
	singles = []string{"Contact management", "Case management", "Support", "Billing", "Renew contracts", "Upgrade contracts", "License management"}
	several = []string{
		"Billing; Support", "Case management; Support", "Contact management; Case management", "Renew contracts; Billing",
		"Upgrade contracts; License management", "Support; License management", "Contact management; Support; Case management",
		"Billing; Renew contracts; Upgrade contracts",
	}
)

var firstNames = []string{
	"Aaliyah", "Agnès", "Amélie", "Anaïs", "André", "Anja", "Aoife", "Astrid", "Ayşe", "Björn", "Brigitte", "Céline", "Chidi", "Chloë", "Dagmar",
	"Elif", "Emeka", "Esmé", "Fatima", "Félix", "François", "Freya", "Gerard", "Günther", "Haruto", "Héloïse", "Ingrid", "Ivana", "Jens", "Jörg",
	"José", "Jürgen", "Kateřina", "Kwame", "Lars", "Linnéa", "Lucía", "Łukasz", "Mairéad", "Małgorzata", "Marek", "Mateo", "Mei", "Milena", "Nadia",
	"Noémie", "Oisín", "Pavel", "Priya", "Ravi", "Renée", "Sally-Anne", "Saoirse", "Sebastián", "Siân", "Sofía", "Søren", "Tadeusz", "Thabo",
	"Tomáš", "Ulrike", "Vikram", "Wanjiru", "Yusuf", "Zeynep", "Zoë",
}

var lastNames = []string{
	"Abernathy", "Ångström", "Bäcker", "Beaumont", "Bielak", "Çelik", "Chukwu", "Côté", "d'Arcy", "de la Cruz", "Dvořák", "Eide", "Fernández", "Gagné",
	"Großmann", "Gunnarsson", "Hakimi", "Herrera", "Höfer", "Ibáñez", "Iyer", "Jansson", "Kamau", "Kjær", "Köhler", "Kowalczyk", "Lefebvre", "Lindström",
	"MacAllister", "Mendès", "Müller", "Nakagawa", "Ndlovu", "Núñez", "O'Dowd", "Öztürk", "Pálsson", "Peña", "Quigley", "Rahman", "Rodrigues", "Sánchez",
	"Schröder", "Ševčík", "Singh", "Strauß", "Szymański", "Tanaka", "Thibault", "Tran", "Uçar", "van der Meer", "Vestergaard", "Weiß", "Whitlock", "Wójcik",
	"Yamamoto", "Yıldız", "Żak", "Zeller",
}

var streets = map[string][]string{
	"uk": {"Tanner's Row", "Mill Brow", "Chandler Street", "Plover Lane", "Old Ropewalk"},
	"us": {"Juniper Avenue", "Sawmill Road", "Prairie Street", "Lookout Drive", "Second Bridge Road"},
	"ca": {"rue des Érables", "chemin du Quai", "Birchbark Road", "Harbour Street"},
	"de": {"Lindenweg", "Am Mühlbach", "Gerberstraße", "Fährgasse", "Große Bleichwiese"},
	"fr": {"rue des Tanneurs", "quai des Brumes", "allée des Châtaigniers", "place du Vieux Puits"},
	"se": {"Åvägen", "Björkgatan", "Skärgårdsgatan", "Kvarnstigen"},
	"au": {"Wattlebird Street", "Ironbark Road", "Billabong Lane", "Saltbush Crescent"},
}

// phones are ranges that the countries' regulators set aside for drama; "#" is a digit.
var phones = map[string][]string{
	"uk": {"+44 20 7946 0###", "+44 161 496 0###", "+44 117 496 0###", "+44 113 496 0###", "+44 131 496 0###", "+44 7700 900###"},
	"us": {"+1 208 555 01##", "+1 312 555 01##", "+1 505 555 01##", "+1 775 555 01##"},
	"ca": {"+1 514 555 01##", "+1 204 555 01##", "+1 902 555 01##"},
	"de": {"+49 30 23125 ###", "+49 69 90009 ###", "+49 40 66969 ###", "+49 221 4710 ###", "+49 89 99998 ###"},
	"fr": {"+33 1 99 00 ## ##", "+33 2 61 91 ## ##", "+33 3 53 01 ## ##", "+33 4 65 71 ## ##", "+33 5 36 49 ## ##", "+33 6 39 98 ## ##"},
	"se": {"+46 8 465 004 ##", "+46 31 390 06 ##", "+46 40 628 04 ##"},
	"au": {"+61 2 5550 ####", "+61 3 5550 ####", "+61 7 5550 ####", "+61 8 5550 ####", "+61 491 570 156", "+61 491 570 157"},
}
