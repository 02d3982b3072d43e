//go:build !unix

package bench

// loaderCPU returns nil: the processor time of this process can't be told here.
func loaderCPU() *float64 { return nil }
