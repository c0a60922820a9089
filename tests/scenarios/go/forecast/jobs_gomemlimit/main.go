// Finished jobs are kept in a list under GOMEMLIMIT: the collector works harder and harder, until what
// is live does not fit below the limit any more.
//
// limit: 150MiB
// under: GOMEMLIMIT
package main

import "scenarios/load"

type job struct {
	previous *job
	output   [400]byte
}

var finished *job

func main() {
	go load.Every(4500, func(int) { finished = &job{previous: finished} })
	load.Serve()
}
