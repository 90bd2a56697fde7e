//! The page of `--report`: what stands on it, whatever the guest and the user say, and how a browser shows it.

use crate::headless::ENDLESS;
use crate::program::{Ended, Folder};
use scraper::{ElementRef, Html, Selector};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tayberry_guest::storm::{Kinds, mode};
use tayberry_headless::Picture;

/// Text that breaks out of a page wherever it is not escaped.
const HOSTILE: &str = r#"</script></pre></style></title><script>document.title="broken"</script><img src=x onerror=alert(1)>"'&lt;<!-- "#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("endless.img", ENDLESS);
    folder.file("echo.img", tayberry_guest::ECHO);
    folder.file("storm.img", tayberry_guest::STORM);
    folder
}

/// A storm of that many modes, each for 20 ms, with a page, statistics and a frame log.
fn storm(folder: &Folder, count: u32) -> Html {
    let append = format!("storm.count={count} storm.hold_us=20000");
    let args = ["--frontend", "headless", "--deterministic", "--append", &append, "--report", "run.html"];
    Ended::of(folder.tayberry(args.into_iter().chain(["--stats", "stats.json", "--frame-log", "frames.csv", "storm.img"]))).expect(0);
    Html::parse_document(&folder.text("run.html"))
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn one<'a>(page: &'a Html, selector: &str) -> ElementRef<'a> {
    let found = all(page, selector);
    assert_eq!(found.len(), 1, "{selector}");
    found[0]
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect()
}

/// The sum of an attribute's numbers.
fn sum(page: &Html, selector: &str, attribute: &str) -> u64 {
    all(page, selector).iter().map(|element| element.attr(attribute).and_then(|value| value.parse::<u64>().ok()).expect("a number")).sum()
}

fn card(page: &Html, id: &str) -> u64 {
    sum(page, &format!("#{id}"), "data-value")
}

/// Nothing is loaded from anywhere: by the policy, and since there is nothing to load.
fn check_closed(page: &Html) {
    let policy = one(page, "meta[http-equiv=Content-Security-Policy]").attr("content").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("img-src data:"), "{policy}");
    assert!(!policy.contains("http"), "{policy}");
    assert_eq!(all(page, "link, iframe, object, embed, base, video, audio, source, use, form, svg script, svg style").len(), 0);
    for element in all(page, "*") {
        for (name, value) in element.value().attrs() {
            match name {
                "src" => assert!(value.starts_with("data:image/png;base64,"), "{name}={value}"),
                "href" if element.value().name() == "image" => assert!(value.starts_with("data:image/png;base64,"), "{name}={value}"),
                "href" => assert!(value.starts_with('#'), "{name}={value}"),
                "style" | "srcset" | "action" | "ping" | "poster" | "background" => panic!("{name}={value}"),
                name => assert!(!name.starts_with("on"), "{name}={value}"),
            }
        }
    }
    assert_eq!((all(page, "script").len(), all(page, "style").len()), (1, 1));
    assert!(one(page, "script").attr("src").is_none());
}

/// The pictures' PNG files.
fn pictures(page: &Html) -> Vec<Vec<u8>> {
    use base64::Engine;
    let decode = |image: &ElementRef<'_>| {
        let file = image.attr("src").and_then(|source| source.strip_prefix("data:image/png;base64,")).expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(file).expect("base64")
    };
    all(page, "figure.shot img").iter().map(decode).collect()
}

fn png(file: &[u8]) -> Picture {
    Picture::read_png(std::io::Cursor::new(file)).expect("a picture")
}

#[test]
fn the_page_counts_as_the_other_files_do() {
    let folder = folder();
    let page = storm(&folder, 40);
    check_closed(&page);
    let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
    let log = folder.text("frames.csv");
    let frames = log.lines().count() as u64 - 1;
    assert_eq!((card(&page, "presented"), sum(&page, "#resolution-table tbody tr", "data-frames")), (frames, frames));
    assert_eq!(stats["frames_presented"], frames);
    assert_eq!(stats["frames_dropped_stale"], card(&page, "dropped"));
    assert_eq!(stats["property_messages"], card(&page, "messages"));
    assert_eq!(stats["reconfigurations"], card(&page, "generations"));
    assert_eq!(sum(&page, "#resolution-table tbody tr", "data-changes"), card(&page, "generations"));
    let count_of = |kind: &str| all(&page, &format!("#events tr[data-kind={kind}]")).len() as u64;
    assert_eq!((count_of("message"), count_of("mode")), (card(&page, "messages"), 40));
    // A change of the mode follows the message that made it, at the same time.
    let events: Vec<String> = all(&page, "#events tbody tr").into_iter().map(text).collect();
    let first = events.iter().position(|event| event.contains("set physical size")).expect("the storm sets sizes");
    assert!(events[first].contains("allocate buffer align"), "{}", events[first]);
    assert!(events[first + 1].contains("generation 1:"), "{}", events[first + 1]);
    assert_eq!(text(one(&page, "#stats tr[data-key=exit] td")), "poweroff");
    assert!(text(one(&page, "#uart0")).contains("storm: 40 changes, 0 wrong replies"));
    // The page shows lines' ends as its own.
    let bytes = text(one(&page, "#uart0")).replace('\n', "\r\n").len() as u64;
    assert_eq!(card(&page, "serial-bytes"), bytes);
    let files = pictures(&page);
    assert!((40..=64).contains(&files.len()), "every mode has a picture: {}", files.len());
    assert_eq!(text(one(&page, "head > title")), "storm.img – Tayberry");
    assert!(text(one(&page, "#arguments")).contains("--append 'storm.count=40 storm.hold_us=20000'"));
}

#[test]
fn pictures_show_what_the_guest_painted() {
    let folder = folder();
    let page = storm(&folder, 5);
    let last = png(pictures(&page).last().expect("a picture"));
    let expected = mode(1, 5, Kinds::Full);
    let [_, red, green, blue] = expected.colour_rgb.to_be_bytes();
    assert!(last.pixels.chunks_exact(4).all(|pixel| pixel == [red, green, blue, 0xff]));
    // Of the mode's shape, and no larger than a page can have.
    assert!(last.width <= 640 && last.height <= 480);
    let (shape, expected) = (f64::from(last.width) / f64::from(last.height), f64::from(expected.width) / f64::from(expected.height));
    assert!((shape / expected - 1.0).abs() < 0.05, "{shape} {expected}");
}

#[test]
fn a_long_storm_is_bounded_and_says_what_is_missing() {
    let folder = folder();
    let page = storm(&folder, 2000);
    check_closed(&page);
    assert_eq!(card(&page, "generations"), 2000);
    let files = pictures(&page);
    assert!((32..=64).contains(&files.len()), "{}", files.len());
    assert!(all(&page, "#events tr").len() < 2500);
    let missing = all(&page, "#events .left-out").into_iter().map(text).collect::<Vec<_>>().join("; ");
    assert!(missing.contains("messages are left out here") && missing.contains("mode changes are left out here"), "{missing}");
    assert!(text(one(&page, "#resolution-table tr.left-out")).contains("resolutions are left out here"));
    assert!(folder.read("run.html").len() < 20 << 20);
}

#[test]
fn nothing_breaks_out_of_its_place() {
    let folder = folder();
    let name = HOSTILE.replace('/', "∕");
    folder.file(&name, tayberry_guest::ECHO);
    let args = ["--frontend", "headless", "--timeout", "30", "--report", "run.html", "--append", HOSTILE, &name];
    let mut child = folder.tayberry(args).stdin(Stdio::piped()).spawn().expect("a run");
    let typed = format!("{HOSTILE}\n\x1b[2J\0\x07\u{202e}\x04");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it reads");
    Ended::from(child.wait_with_output().expect("an end")).expect(0);
    let page = Html::parse_document(&folder.text("run.html"));
    check_closed(&page);
    assert_eq!(all(&page, "img").len(), all(&page, "figure.shot").len());
    assert_eq!(text(one(&page, "h1")), name);
    assert_eq!(text(one(&page, "head > title")), format!("{name} – Tayberry"));
    assert!(text(one(&page, "#arguments")).contains(&HOSTILE.replace('\'', r"'\''")));
    let printed = text(one(&page, "#uart0"));
    assert!(printed.contains(HOSTILE) && printed.contains("␛[2J"), "{printed}");
    assert!(!folder.text("run.html").contains('\0') && !printed.contains('\u{202e}'));
    let lines: Vec<String> = all(&page, "#events tr[data-kind=UART0] code").into_iter().map(text).collect();
    assert!(lines.iter().any(|line| line.contains(HOSTILE)), "{lines:?}");
}

#[test]
fn it_is_written_however_the_run_ends() {
    let folder = folder();
    let page = |args: &str, status| {
        folder.headless(args).expect(status);
        let page = Html::parse_document(&folder.text("run.html"));
        check_closed(&page);
        text(one(&page, "#result"))
    };
    assert!(page("--timeout 0.2 --until never --report run.html endless.img", 3).contains("timeout, status 3"));
    assert!(page("--max-instructions 1000 --report run.html endless.img", 0).contains("max-instructions, status 0"));
    assert!(page("--until ready --report run.html echo.img", 0).contains("until, status 0"));
    // Its first instruction is undefined, and so is what is at the vectors.
    folder.file("lost.img", &[0; 64]);
    let lost = page("--cores 1 --report run.html lost.img", 4);
    assert!(lost.contains("lost, status 4") && lost.len() > 30, "{lost}");
    let run = folder.headless("--report nowhere/run.html endless.img").expect(2);
    assert!(run.stderr.contains("--report nowhere/run.html: cannot be written"), "{}", run.stderr);
    let run = folder.headless("--report x --stats x --timeout 0 endless.img").expect(2);
    assert!(run.stderr.contains("same file"), "{}", run.stderr);
}

#[test]
fn a_crash_report_is_on_it_with_all_that_stderr_says() {
    let folder = folder();
    folder.file("crash.elf", tayberry_guest::CRASH_ELF);
    let mut pages = Vec::new();
    for _ in 0..2 {
        let run = folder.headless("--deterministic --timeout 60 --crash-report crash.txt --report run.html crash.elf").expect(4);
        let page = Html::parse_document(&folder.text("run.html"));
        check_closed(&page);
        let crash = text(one(&page, "#crash"));
        let (told, at) = (folder.text("crash.txt"), one(&page, "details.crash").attr("data-time-ns").expect("a time").to_owned());
        assert!(run.stderr.contains(&told) && told.lines().count() > 30, "{}", run.stderr);
        // The first line has the time in other words.
        for line in told.lines().skip(1) {
            assert!(crash.contains(line.trim_start().trim_end_matches(':')), "{line}: {crash}");
        }
        let seconds = at.parse::<u64>().expect("a number") as f64 / 1e9;
        assert!(told.contains(&format!("at {seconds:.9} s of guest time")), "{at}: {told}");
        assert!(text(one(&page, "#crash summary")).starts_with("Core 0 is lost, at 0."), "{crash}");
        assert!(crash.contains("<mount+0xc> guest/crash/crash.c:16"), "{crash}");
        pages.push(one(&page, "#crash").html());
    }
    assert_eq!(pages[0], pages[1], "the same run, the same report");
    folder.headless("--deterministic --max-instructions 1000 --report run.html endless.img").expect(0);
    assert!(all(&Html::parse_document(&folder.text("run.html")), "#crash").is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_page() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = folder();
    let mut child = folder.tayberry(["--frontend", "headless", "--report", "run.html", "echo.img"]).spawn().expect("a run");
    let mut said = [0; 4];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("the guest speaks: it runs");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is there");
    Ended::from(child.wait_with_output().expect("an end")).expect(130);
    let page = Html::parse_document(&folder.text("run.html"));
    assert!(text(one(&page, "#result")).contains("stopped, status 130"));
}

/// A browser without a window and without a network; `None` where there is none.
fn chromium(folder: &Path, file: &Path, more: &[&str]) -> Option<Vec<u8>> {
    let profile = tempfile::TempDir::new().expect("a folder");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]);
    command.args(["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=5000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).args(more).arg(format!("file://{}", file.display()));
    match command.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null()).output() {
        Ok(output) => {
            assert!(output.status.success(), "chromium: {:?}", output.status);
            Some(output.stdout)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("page: skipped, there is no chromium");
            None
        }
        Err(error) => panic!("chromium: {error}"),
    }
}

#[test]
fn a_browser_shows_it() {
    let folder = folder();
    storm(&folder, 30);
    let file = folder.path("run.html");
    let Some(dom) = chromium(&folder.path(""), &file, &["--dump-dom"]) else { return };
    let dom = Html::parse_document(std::str::from_utf8(&dom).expect("text"));
    assert_eq!(one(&dom, "html").attr("data-script"), Some("ready"), "the script ran to its end");
    let rows = all(&dom, "#events tbody tr").len();
    assert_eq!(text(one(&dom, "#matches")), format!("{rows} of {rows}"));

    chromium(&folder.path(""), &file, &["--screenshot=page.png", "--window-size=1200,1800"]).expect("it was there");
    let shown = png(&folder.read("page.png"));
    assert_eq!((shown.width, shown.height), (1200, 1800));
    let count = |[red, green, blue]: [u8; 3]| shown.pixels.chunks_exact(4).filter(|pixel| **pixel == [red, green, blue, 0xff]).count();
    // The style sheet's: card, page, frames presented, times to draw, generations, messages.
    for (colour, least) in [
        ([0xff; 3], 200_000),
        ([0xf4, 0xf5, 0xf7], 20_000),
        ([0x2f, 0x7f, 0xd6], 2000),
        ([0x1f, 0x9a, 0xa8], 100),
        ([0xc2, 0x5a, 0x9b], 100),
    ] {
        assert!(count(colour) >= least, "{colour:02x?}: {}", count(colour));
    }
    // The guest's colours: of the last picture, shown small.
    let page = Html::parse_document(&folder.text("run.html"));
    let last = png(pictures(&page).last().expect("a picture"));
    let painted = last.rgb(0, 0);
    assert!(count(painted) >= 500, "{painted:02x?}: {}", count(painted));
}

#[test]
fn a_search_in_the_address_filters_the_events() {
    let folder = folder();
    storm(&folder, 10);
    let mut file = folder.path("run.html").into_os_string();
    file.push("?q=uart0+storm");
    let Some(dom) = chromium(&folder.path(""), Path::new(&file), &["--dump-dom"]) else { return };
    let dom = Html::parse_document(std::str::from_utf8(&dom).expect("text"));
    let shown: Vec<String> = all(&dom, "#events tbody tr:not([hidden])").into_iter().map(text).collect();
    assert!(!shown.is_empty() && shown.len() < all(&dom, "#events tbody tr").len());
    assert!(shown.iter().all(|row| row.to_lowercase().contains("uart0") && row.contains("storm")), "{shown:?}");
}
