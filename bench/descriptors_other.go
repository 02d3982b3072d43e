//go:build !unix

package bench

// enoughDescriptors finds nothing that bounds connections here.
func enoughDescriptors(int) error { return nil }
