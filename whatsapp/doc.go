// Package whatsapp reads a chat as WhatsApp exports it: the .zip of iOS and Android, or the bare .txt in it.
//
// The format is nobody's standard. Every message is a line that begins with a date in the phone's locale; the lines that
// begin otherwise belong to the message above them. What WhatsApp itself says (who joined, that media were left out, that
// a message was deleted) is in the phone's language. So a file is read in three steps: lines that look like the beginning
// of a message in the same style as the file's first one (stamp.go), the order of day and month, which only the whole
// file can tell (order.go), and what each text is, by structure where that is enough and by the words of the locales
// where it is not (body.go, words.go).
//
// An export is a stranger's file: its size, lines, messages and entries are bounded (see the Max constants), no name in it is
// ever used as a path, and nothing of it is unpacked but the text.
package whatsapp
