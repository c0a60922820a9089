// L17 in Go: see lab/delete_most.c. Prints `row<TAB>value`.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

const entries, oneOf = 2000000, 100

func resident(name string) (megabytes float64) {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, name+": %f kB", &kilobytes); n == 1 {
			megabytes = kilobytes * 1024 / 1e6
		}
	}
	return
}

func run(rebuild bool) {
	before := resident("VmRSS")
	m := make(map[uint64]uint64)
	for key := uint64(0); key < entries; key++ {
		m[key] = key
	}
	runtime.GC()
	debug.FreeOSMemory()
	peak := resident("VmRSS") - before
	for key := uint64(0); key < entries; key++ {
		if key%oneOf != 0 {
			delete(m, key)
		}
	}
	if rebuild {
		small := make(map[uint64]uint64, len(m))
		for key, value := range m {
			small[key] = value
		}
		m = small
	}
	runtime.GC()
	debug.FreeOSMemory()
	fmt.Printf("%f %f\n", peak, resident("VmRSS")-before)
	runtime.KeepAlive(m)
}

func main() {
	if len(os.Args) > 1 { // a process of its own for each
		run(os.Args[1] == "rebuild")
		return
	}
	var peak, end float64
	out, _ := exec.Command(os.Args[0], "keep").Output()
	if n, _ := fmt.Sscan(string(out), &peak, &end); n == 2 {
		fmt.Printf("at the peak\t%f\n99 %% deleted, table kept\t%f\n", peak, end)
	}
	out, _ = exec.Command(os.Args[0], "rebuild").Output()
	if n, _ := fmt.Sscan(string(out), &peak, &end); n == 2 {
		fmt.Printf("99 %% deleted, shrunk (Go: rebuilt by hand)\t%f\n", end)
	}
}
