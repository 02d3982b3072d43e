package whatsapp

// zeros are the digits 0 of the scripts in which phones write numbers.
var zeros = []rune{
	0x0660, // Arabic-Indic
	0x06f0, // Persian, Urdu
	0x0966, // Devanagari
	0x09e6, // Bengali
	0x0a66, // Gurmukhi
	0x0ae6, // Gujarati
	0x0be6, // Tamil
	0x0c66, // Telugu
	0x0ce6, // Kannada
	0x0d66, // Malayalam
	0x0e50, // Thai
	0x1040, // Burmese
	0x17e0, // Khmer
	0xff10, // full width
}

// joiners stand between a date and its time.
var joiners = []string{
	"à", "at", "um", "kl.", "klo", "às", "a las", "alle", "alle ore", "o", "u", "la", "в", "о", "ob", "v", "tại", "г.", "р.", "t",
}

// tails stand behind the time.
var tails = []string{"uhr", "ч.", "ч", "h"}

// halves are the words for the halves of a day; in East Asia, the parts of it.
var halves = []struct {
	word string
	half half
}{
	{"am", halfAM}, {"pm", halfPM},
	{"a.m.", halfAM}, {"p.m.", halfPM},
	{"a. m.", halfAM}, {"p. m.", halfPM}, // es
	{"a.m", halfAM}, {"p.m", halfPM},
	{"vm.", halfAM}, {"nm.", halfPM}, // af
	{"fm", halfAM}, {"em", halfPM}, // sv
	{"dop.", halfAM}, {"odp.", halfPM}, // cs
	{"de.", halfAM}, {"du.", halfPM}, // hu
	{"öö", halfAM}, {"ös", halfPM}, // tr
	{"π.μ.", halfAM}, {"μ.μ.", halfPM}, // el
	{"sa", halfAM}, {"ch", halfPM}, // vi
	{"pg", halfAM}, {"ptg", halfPM}, // ms
	{"ص", halfAM}, {"م", halfPM}, // ar
	{"ق.ظ.", halfAM}, {"ب.ظ.", halfPM}, // fa
	{"قبل از ظهر", halfAM}, {"بعد از ظهر", halfPM}, {"بعدازظهر", halfPM},
	{"לפנה״צ", halfAM}, {"אחה״צ", halfPM}, // he
	{"पूर्वाह्न", halfAM}, {"अपराह्न", halfPM}, // hi
	{"म.पू.", halfAM}, {"म.उ.", halfPM}, // mr
	{"ก่อนเที่ยง", halfAM}, {"หลังเที่ยง", halfPM}, // th
	{"오전", halfAM}, {"오후", halfPM}, // ko
	{"午前", halfAM}, {"午後", halfPM}, // ja
	{"上午", halfAM}, {"下午", halfPM}, // zh
	{"凌晨", halfAM}, {"清晨", halfAM}, {"早上", halfAM}, {"中午", halfNoon}, {"晚上", halfPM},
}

var halfWords = func() []string {
	words := make([]string, len(halves))
	for i, h := range halves {
		words[i] = h.word
	}
	return words
}()

// chatFiles are the beginnings of the text's name in a .zip, and of the .zip's own: what follows is whom the chat is with.
var chatFiles = []string{
	"WhatsApp Chat - ", "WhatsApp Chat with ", "WhatsApp Chat mit ", "WhatsApp-Chat mit ", "Chat de WhatsApp con ", "Discussion WhatsApp avec ", "Chat WhatsApp con ",
	"Conversa do WhatsApp com ", "WhatsApp-chat met ", "Czat WhatsApp z ", "Чат WhatsApp с контактом ", "Чат WhatsApp с ", "WhatsApp Sohbeti - ", "Chat WhatsApp s uživatelem ",
	"WhatsApp-chatt med ", "WhatsApp-chat med ", "Chat WhatsApp dengan ", "WhatsApp Chat dengan ",
}
