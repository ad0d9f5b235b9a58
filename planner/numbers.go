package planner

import (
	"regexp"
	"strconv"
	"strings"
)

// Amount is a number that was said, in digits or in words.
type Amount struct {
	Value float64
	// Text is how it was said.
	Text string
}

// spelled are the words for numbers of the languages that Debrief listens in:
// English, German, French, Spanish and Portuguese.
var spelled = spelledNumbers(`
one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 ten 10 eleven 11 twelve 12 thirteen 13 fourteen 14 fifteen 15
sixteen 16 seventeen 17 eighteen 18 nineteen 19 twenty 20 thirty 30 forty 40 fourty 40 fifty 50 sixty 60 seventy 70 eighty 80 ninety 90
ein 1 eine 1 einen 1 eins 1 zwei 2 zwo 2 drei 3 vier 4 fünf 5 sechs 6 sieben 7 acht 8 neun 9 zehn 10 elf 11 zwölf 12 dreizehn 13
vierzehn 14 fünfzehn 15 sechzehn 16 siebzehn 17 achtzehn 18 neunzehn 19 zwanzig 20 dreißig 30 dreissig 30 vierzig 40 fünfzig 50
sechzig 60 siebzig 70 achtzig 80 neunzig 90
un 1 une 1 deux 2 trois 3 quatre 4 cinq 5 sept 7 huit 8 neuf 9 dix 10 onze 11 douze 12 treize 13 quatorze 14 quinze 15 seize 16
vingt 20 vingts 20 trente 30 quarante 40 cinquante 50 soixante 60 septante 70 huitante 80 octante 80 nonante 90
uno 1 una 1 dos 2 tres 3 cuatro 4 cinco 5 seis 6 siete 7 ocho 8 nueve 9 diez 10 once 11 doce 12 trece 13 catorce 14 dieciséis 16
diecisiete 17 dieciocho 18 diecinueve 19 veinte 20 veintiuno 21 veintidós 22 veintitrés 23 veinticuatro 24 veinticinco 25 veintiséis 26 veintisiete 27 veintiocho 28 veintinueve 29 quince 15 treinta 30 cuarenta 40 cincuenta 50
sesenta 60 setenta 70 ochenta 80 noventa 90 doscientos 200 trescientos 300 cuatrocientos 400 quinientos 500 seiscientos 600
setecientos 700 ochocientos 800 novecientos 900
um 1 uma 1 dois 2 duas 2 três 3 quatro 4 sete 7 oito 8 nove 9 dez 10 doze 12 treze 13 quinze 15 dezesseis 16 dezasseis 16
dezessete 17 dezassete 17 dezoito 18 dezenove 19 dezanove 19 vinte 20 trinta 30 quarenta 40 cinquenta 50 sessenta 60 oitenta 80
duzentos 200 trezentos 300 quatrocentos 400 quinhentos 500 seiscentos 600 setecentos 700 oitocentos 800 novecentos 900
`)

// multiples are the words that count hundreds and more.
var multiples = spelledNumbers(`
hundred 100 hundert 100 cent 100 cents 100 cien 100 ciento 100 cem 100 cento 100
k 1000 thousand 1000 grand 1000 tausend 1000 mille 1000 mil 1000
m 1000000 mn 1000000 mio 1000000 million 1000000 millions 1000000 millionen 1000000 millón 1000000 millones 1000000 milhão 1000000 milhões 1000000
`)

func spelledNumbers(table string) map[string]float64 {
	words := map[string]float64{}
	fields := strings.Fields(table)
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.ParseFloat(fields[i+1], 64)
		if err != nil {
			panic("a table of number words is wrong at " + fields[i])
		}
		words[fields[i]] = n
	}
	return words
}

// joining stand inside of numbers and count nothing: "two hundred and ten".
var joining = map[string]bool{"and": true, "und": true, "et": true, "y": true, "e": true}

var (
	digits       = regexp.MustCompile(`^(\d[\d.,'’]*)(k|m|mn|mio)?$`)
	grouped      = regexp.MustCompile(`^[1-9]\d{0,2}([.,'’])\d{3}(?:[.,'’]\d{3})*([.,]\d{1,2})?$`)
	groupOnly    = regexp.MustCompile(`^\d{3}$`)
	numberBegins = regexp.MustCompile(`^[1-9]\d{0,2}$`)
)

// AmountsIn are the numbers that a text says, in its order: "42k", "42.000",
// "forty-two thousand", "zweiundvierzigtausend". Three digits behind a sign are a
// group of thousands, as with money they nearly always are; "1.5" and "1,50" have
// decimals. Numbers that are part of another word ("Q4") are none.
func AmountsIn(text string) []Amount {
	words := wordsIn(text)
	var found []Amount
	for i := 0; i < len(words); {
		value, used := numberAt(words[i:])
		if used == 0 {
			i++
			continue
		}
		found = append(found, Amount{value, strings.Join(words[i:i+used], " ")})
		i += used
	}
	return found
}

// numberAt reads the number that the words begin with, and says how many of them it
// takes: none if they begin with no number.
func numberAt(words []string) (value float64, used int) {
	if n, taken := digitsAt(words); taken > 0 {
		for taken < len(words) && multiples[words[taken]] >= 1000 {
			n *= multiples[words[taken]]
			taken++
		}
		return n, taken
	}
	total, current, last := 0.0, 0.0, 0
	for i, word := range words {
		n, small := spelled[word]
		if !small {
			n, small = germanNumber(word)
		}
		m, large := multiples[word]
		switch {
		case small && n >= 1000: // a German word that holds thousands
			total, current = total+n, 0
		case small && n == 20 && current == 4 && strings.HasPrefix(word, "vingt"): // quatre-vingts
			current = 80
		case small && current > 0 && (n >= current || n >= 20 && int(current)%100 != 0):
			return total + current, last // another number begins
		case small:
			current += n
		case large && m < 1000 && (current < 10 || word == "hundred" && current < 100): // "twenty-four hundred"
			current = max(1, current) * m
		case large && m >= 1000 && (i > 0 || word == "thousand" || word == "tausend" || word == "mille" || word == "mil"):
			total, current = total+max(1, current)*m, 0
		case large && m == 100 && i == 0:
			current = m
		case joining[word] && i > 0:
			continue
		default:
			return total + current, last
		}
		last = i + 1
	}
	return total + current, last
}

// digitsAt reads a number in digits, over spaces between its groups.
func digitsAt(words []string) (float64, int) {
	match := digits.FindStringSubmatch(words[0])
	if match == nil {
		return 0, 0
	}
	written, used := match[1], 1
	if numberBegins.MatchString(written) && match[2] == "" {
		for used < len(words) && groupOnly.MatchString(words[used]) {
			written += words[used]
			used++
		}
	}
	n, ok := parseDigits(written)
	if !ok {
		return 0, 0
	}
	if match[2] != "" {
		n *= multiples[match[2]]
	}
	return n, used
}

func parseDigits(written string) (float64, bool) {
	written = strings.TrimRight(written, ".,'’")
	cents := ""
	if match := grouped.FindStringSubmatch(written); len(match) > 2 && (match[2] == "" || match[2][:1] != match[1]) {
		cents = strings.TrimLeft(match[2], ".,")
		written = strings.NewReplacer(".", "", ",", "", "'", "", "’", "").Replace(strings.TrimSuffix(written, match[2]))
	} else {
		written = strings.NewReplacer(",", ".", "'", "", "’", "").Replace(written)
	}
	if cents != "" {
		written += "." + cents
	}
	n, err := strconv.ParseFloat(written, 64)
	return n, err == nil
}

// germanNumber reads a number that is one word: "zweiundvierzigtausend".
func germanNumber(word string) (float64, bool) {
	if n, ok := spelled[word]; ok {
		return n, true
	}
	for _, part := range []struct {
		word  string
		times float64
	}{{"tausend", 1000}, {"hundert", 100}} {
		before, after, found := strings.Cut(word, part.word)
		if !found {
			continue
		}
		n := part.times
		if before != "" {
			times, ok := germanNumber(before)
			if !ok {
				return 0, false
			}
			n *= times
		}
		if after = strings.TrimPrefix(after, "und"); after != "" {
			rest, ok := germanNumber(after)
			if !ok {
				return 0, false
			}
			n += rest
		}
		return n, word != part.word
	}
	ones, tens, found := strings.Cut(word, "und")
	if !found {
		return 0, false
	}
	a, ok := spelled[ones]
	b, ok2 := spelled[tens]
	return a + b, ok && ok2 && a < 10 && b >= 20
}
