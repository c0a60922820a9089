// Package load drives the scenarios: work at an even rate, and the debug endpoint that every Go
// service has.
package load

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"time"
)

// Every calls work so many times per second, evenly, for ever. What cannot be done in time is left
// out, not caught up with.
func Every(perSecond float64, work func(number int)) {
	last, owed := time.Now(), 0.0
	for number := 0; ; {
		time.Sleep(5 * time.Millisecond)
		now := time.Now()
		owed += now.Sub(last).Seconds() * perSecond
		last = now
		if owed > perSecond {
			owed = perSecond
		}
		for ; owed >= 1; owed-- {
			work(number)
			number++
		}
	}
}

// Random gives a reproducible number for a number (splitmix64).
func Random(number int) uint64 {
	x := uint64(number) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Serve answers /debug/pprof on the port that the first argument names, for ever.
func Serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	http.Serve(listener, nil)
}
