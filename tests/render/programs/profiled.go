package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
)

type box[T any] struct{ items []T }

func (b *box[T]) add(v T) { b.items = append(b.items, v) }

type store struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *store) put(k string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[k] = make([]byte, n)
}

func recurse(n int) [][]byte {
	if n == 0 {
		return nil
	}
	return append(recurse(n-1), make([]byte, 100*n))
}

func small() *int { v := new(int); *v = 3; return v }

func mapped(f func(int) string, n int) []string {
	var out []string
	for i := 0; i < n; i++ {
		out = append(out, f(i))
	}
	return out
}

var keep []any

func work(n int) {
	s := &store{m: map[string][]byte{}}
	for i := 0; i < n; i++ {
		s.put(fmt.Sprintf("key-%d", i), 100+i%1000)
	}
	var b box[string]
	var c box[map[int]string]
	for i := 0; i < n; i++ {
		b.add(strings.Repeat("x", i%50))
		c.add(map[int]string{i: "a"})
		keep = append(keep, small())
	}
	names := mapped(func(i int) string { return strings.ToUpper(fmt.Sprint("n", i)) }, n)
	sort.Strings(names)
	keep = append(keep, s, b, c, names, recurse(60))
	var buf bytes.Buffer
	for i := 0; i < n; i++ {
		buf.WriteString("hello world")
	}
	keep = append(keep, buf)
}

func save(name string) {
	runtime.GC()
	f, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	pprof.Lookup("heap").WriteTo(f, 0)
	f.Close()
}

func main() {
	runtime.MemProfileRate = 512
	dir := os.Args[1]
	f, _ := os.Create(dir + "/cpu.pb.gz")
	pprof.StartCPUProfile(f)
	for i := 0; i < 8; i++ {
		work(3000)
	}
	save(dir + "/heap1.pb.gz")
	for i := 0; i < 20; i++ {
		work(3000)
		if i%3 == 0 {
			keep = keep[len(keep)/2:]
		}
	}
	for i := 0; i < 40; i++ {
		keep = nil
		work(6000)
	}
	save(dir + "/heap2.pb.gz")
	pprof.StopCPUProfile()
	f.Close()
	g, _ := os.Create(dir + "/goroutine.pb.gz")
	pprof.Lookup("goroutine").WriteTo(g, 0)
	g.Close()
}
