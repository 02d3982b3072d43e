package picture

import (
	"bytes"
	"encoding/binary"
)

// exifHead begins a segment of EXIF in a JPEG (Exif 2.32, 4.7.2).
const exifHead = "Exif\x00\x00"

const tagOrientation = 0x0112

// orientation returns how a picture says that it is to be turned, from 1 (not at all) to 8.
func orientation(format string, data []byte) int {
	switch format {
	case "jpeg":
		for s := range segments(data) {
			if s.marker == markerAPP1 && bytes.HasPrefix(s.body, []byte(exifHead)) {
				return orientationOf(s.body[len(exifHead):])
			}
		}
	case "webp":
		for id, body := range riffChunks(data) {
			if id == "EXIF" {
				return orientationOf(bytes.TrimPrefix(body, []byte(exifHead)))
			}
		}
	}
	return 1
}

// orientationOf reads the tag from the first directory of a TIFF (TIFF 6.0, section 2).
func orientationOf(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	n := uint64(order.Uint16(tiff[at:]))
	for i := range n {
		entry := at + 2 + 12*i
		if entry+12 > uint64(len(tiff)) {
			return 1
		}
		if order.Uint16(tiff[entry:]) != tagOrientation {
			continue
		}
		if o := int(order.Uint16(tiff[entry+8:])); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}

// tiffOf returns a TIFF that says an orientation, and nothing else.
func tiffOf(orientation int) []byte {
	return []byte{
		'M', 'M', 0, '*', 0, 0, 0, 8, // the directory is at 8
		0, 1, // it has one entry:
		tagOrientation >> 8, tagOrientation & 0xff, 0, 3, 0, 0, 0, 1, 0, byte(orientation), 0, 0, // one SHORT
		0, 0, 0, 0, // no further directory
	}
}
