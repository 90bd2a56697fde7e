//! Guests in lockstep, and differences that are planted.

use tayberry_a64::JitConfig;
use tayberry_bcm2837::BoardOptions;
use tayberry_machine_lockstep::{End, Job, Stopped, narrow, run};

const LOAD: u64 = 0x8_0000;

fn job(kernels: [&[u8]; 2], append: &str, most: u64) -> Job {
    let board = |kernel: &[u8], jit| BoardOptions { kernel: kernel.to_vec(), append: Some(append.into()), jit, ..BoardOptions::default() };
    let jit = JitConfig { threshold: 4, ..JitConfig::default() };
    Job { boards: [board(kernels[0], None), board(kernels[1], Some(jit))], typed: vec![], most, often: most / 2 + 1 }
}

fn agrees(kernel: &[u8], append: &str, most: u64) -> End {
    match run(&job([kernel, kernel], append, most), &mut |_| {}) {
        Ok(agreed) => {
            assert!(agreed.retired > 50_000, "{agreed:?}");
            agreed.end
        }
        Err(Stopped::Differ(difference)) => panic!("{difference}"),
        Err(Stopped::Board(error)) => panic!("{error}"),
    }
}

#[test]
fn guests_agree() {
    assert_eq!(agrees(tayberry_guest::SMP, "smp.count=200", 20_000_000), End::Power);
    agrees(tayberry_guest::TASKS, "", 4_000_000);
    agrees(tayberry_guest::HYPER, "", 4_000_000);
    agrees(tayberry_guest::DEMO, "demo.mode_ms=5", 12_000_000);
}

/// Core 0 counts x2 down from 100,000, then does `word` and spins; the others wait.
fn planted(word: u32) -> Vec<u8> {
    let words = [
        0xd538_00a0, // mrs x0, mpidr_el1
        0x9240_0400, // and x0, x0, #3
        0xb400_0060, // cbz x0, 1f
        0xd503_207f, // wfi
        0x17ff_ffff, // b .-4
        0xd290_d402, // 1: mov x2, #0x86a0
        0xf2a0_0022, // movk x2, #1, lsl #16
        0xf100_0442, // 2: subs x2, x2, #1
        0x9100_0463, // add x3, x3, #1
        0x54ff_ffc1, // b.ne 2b
        word,
        0x1400_0000, // b .
    ];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn a_planted_difference_is_narrowed_to_its_instruction() {
    // mov x5, #1, or mov x5, #2: the code differs too, which is seen at the first look at RAM.
    let (one, two) = (planted(0xd280_0025), planted(0xd280_0045));
    let job = Job { often: u64::MAX, ..job([&one, &two], "", 10_000_000) };
    let Err(Stopped::Differ(difference)) = run(&job, &mut |_| {}) else { panic!("they differ") };
    assert_eq!(difference.lines, ["core 0 X 5                   0x1 | 0x2"]);
    let culprit = narrow(&job, &difference).expect("boards").expect("an instruction");
    assert_eq!((culprit.core, culprit.pc), (0, LOAD + 40));
    assert_eq!(culprit.lines, difference.lines);
    assert!(culprit.before.contains(&"X 3 0x186a0".into()), "{culprit}");
}

#[test]
fn memory_that_differs_is_seen() {
    let one = planted(0xd280_0025);
    let mut two = one.clone();
    two.extend([0u8; 64]);
    two.push(7);
    let Err(Stopped::Differ(difference)) = run(&job([&one, &two], "", 1_000_000), &mut |_| {}) else { panic!("they differ") };
    assert!(difference.lines.len() == 1 && difference.lines[0].starts_with("[0x80070]"), "{difference}");
    assert!(narrow(&job([&one, &two], "", 1_000_000), &difference).expect("boards").is_none());
}
